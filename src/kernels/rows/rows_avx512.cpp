#define BW_ROWS_NAME(function) function##_f32_avx512
#define BW_LANES 16
#include "kernels/rows/body.hpp"
