#define BW_ROWS_NAME(function) function##_f32_avx2
#define BW_LANES 8
#include "kernels/rows/body.hpp"
