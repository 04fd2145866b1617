#define BW_LANES 16
#define BW_ATTENTION_NAME attention_f32_avx512
#include "kernels/attention/body.hpp"
