#define BW_RMS_NAME rms_norm_u8_ref
#define BW_LANES 4
#include "kernels/rows/codes_body.hpp"
