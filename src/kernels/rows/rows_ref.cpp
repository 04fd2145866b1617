#define BW_ROWS_NAME(function) function##_f32_ref
#define BW_LANES 4
#include "kernels/rows/body.hpp"
