// Element by element on codes: tables, sums and products of two tensors, pooling, and the ways in from and out to
// float. A kernel computes the elements (pooling: output pixels) [begin, end); who computes which never changes a
// result. Each op's comment is its definition; float steps are single float32 operations in the order written, never
// fused.
#pragma once

#include <cstdint>

#include "core/dtype.hpp"
#include "kernels/attributes.hpp"
#include "kernels/requantize/requantize.hpp"

namespace bitwright {

/// What a code means: (code - zero) * scale.
struct Affine {
  float scale = 1;
  int32_t zero = 0;
};

/// dst = table[src]: any function of one 8-bit tensor (activation, requantization), evaluated at compile time.
struct LookupArgs {
  const uint8_t* src = nullptr;
  uint8_t* dst = nullptr;          // may be src
  const uint8_t* table = nullptr;  // 256
};

/// add, mul, of u8 as ONNX Runtime's QLinearAdd and QLinearMul (docs Q15), v clamped to [lo, hi] and rounded half to
/// even: v = fma(a, ka, fma(b, kb, k)), v = fl(fl((a - za) * (b - zb) * k) + zy). set_add and set_mul make the constants.
/// add_float, mul_float, for any type: what dequantize, float32 operator and quantize give,
/// x = fl((a - za) * sa) + fl((b - zb) * sb) or fl((a - za) * sa) * fl((b - zb) * sb), clamp(rne(fl(x / sy)) + zy, lo, hi).
struct BinaryArgs {
  const void* a = nullptr;
  const void* b = nullptr;
  void* dst = nullptr;
  int64_t a_step = 1, b_step = 1;                                      // 0: one element for all
  DType a_type = DType::u8, b_type = DType::u8, dst_type = DType::u8;  // i8, u16, i16: add_float and mul_float
  Affine qa, qb, qy;
  int32_t lo = 0, hi = 255;
  float ka = 0, kb = 0, k = 0;
};

/// From qa, qb, qy. ka = fl(sa / sy), kb = fl(sb / sy), k = fl(zy - fma(ka, za, fl(kb * zb))): the order of a and b counts
/// (ONNX Runtime makes a single number the second operand).
void set_add(BinaryArgs& args) noexcept;
/// k = fl(fl(sa * sb) / sy)
void set_mul(BinaryArgs& args) noexcept;

/// `mul` of u8 codes [rows, columns] and one row for all of them: the same results, with what follows from the row made
/// once. v = fl(fl((src * factor + shift) * k) + zero), clamped and rounded; the sum in it is of whole numbers below 2^24.
struct RowMulArgs {
  const uint8_t* src = nullptr;
  uint8_t* dst = nullptr;  // may be src
  int64_t columns = 0;
  const float* factor = nullptr;  // [columns] b - zb
  const float* shift = nullptr;   // [columns] -za * (b - zb)
  float k = 0, zero = 0, lo = 0, hi = 255;
};
/// Fills factor and shift from the row, which is operand b of `mul`.
void set_row_mul(const BinaryArgs& mul, const uint8_t* row, int64_t columns, float* factor, float* shift) noexcept;

/// dst = clamp(rne(fl(src / scale)) + zero, lo, hi); a NaN gives lo.
struct QuantizeArgs {
  const float* src = nullptr;
  void* dst = nullptr;
  DType dst_type = DType::u8;
  Affine q;
  int32_t lo = 0, hi = 255;
};

/// dst = fl((src - zero) * scale)
struct DequantizeArgs {
  const void* src = nullptr;
  float* dst = nullptr;
  DType src_type = DType::u8;
  Affine q;
};

/// Least and greatest value together with 0, NaN left out; the result is merged into *lo and *hi, which start at 0.
struct RangeArgs {
  const float* src = nullptr;
  float* lo = nullptr;
  float* hi = nullptr;
};

/// The codes of ONNX DynamicQuantizeLinear for a range with lo <= 0 <= hi: u8, scale 1 when lo == hi.
Affine dynamic_codes(float lo, float hi) noexcept;

/// Windows over NHWC codes. average: requantize(sum of (src - src_zero) over the taps inside the image), channel
/// count - first_count of the plan that plan_mean made, count = taps inside the image, or inside image and padding when
/// count_padding. max: the greatest code, after the activation clamp [lo, hi] of `requantize` alone; no tap: lo.
struct PoolArgs {
  int64_t n = 1, h = 1, w = 1, c = 1, oh = 1, ow = 1, kh = 1, kw = 1;
  int64_t stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  bool count_padding = false;
  const void* src = nullptr;
  void* dst = nullptr;
  DType type = DType::u8;  // of src and dst
  int32_t src_zero = 0;
  int64_t first_count = 1;
  int64_t channel0 = 0, channel1 = INT64_MAX;  // only these of the c channels
  Requantize requantize;
};

template <class Args>
using ElementwiseKernel = void (*)(const Args& args, int64_t begin, int64_t end) noexcept;

#define BW_ELEMENTWISE(op, Args, isa, name, any_type) void name(const Args& args, int64_t begin, int64_t end) noexcept;
#include "kernels/elementwise/kernels.inc"
#undef BW_ELEMENTWISE

}  // namespace bitwright
