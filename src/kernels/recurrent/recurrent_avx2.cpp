#define BW_LANES 8
#define BW_LSTM_NAME lstm_f32_avx2
#include "kernels/recurrent/body.hpp"
