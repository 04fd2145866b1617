#define BW_LANES 8
#define BW_ATTENTION_NAME attention_f32_avx2
#include "kernels/attention/body.hpp"
