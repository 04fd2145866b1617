#define BW_LANES 16
#define BW_LSTM_NAME lstm_f32_avx512
#include "kernels/recurrent/body.hpp"
