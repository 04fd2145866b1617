#define BW_RMS_NAME rms_norm_u8_avx512
#define BW_LANES 16
#include "kernels/rows/codes_body.hpp"
