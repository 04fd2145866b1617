#define BW_LANES 4
#define BW_LSTM_NAME lstm_f32_ref
#include "kernels/recurrent/body.hpp"
