#define BW_RMS_NAME rms_norm_u8_avx2
#define BW_LANES 8
#include "kernels/rows/codes_body.hpp"
