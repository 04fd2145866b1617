#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/elementwise/select.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

const std::vector<int64_t> kSizes = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 257};

// Runs every row of a table on args whose dst is set by `aim`, in two ranges, and compares with the last row, the
// reference.
template <class Args, class Aim>
void check_rows(const std::vector<ElementwiseRow<Args>>& rows, Args args, int64_t count, int64_t elements, DType type,
                Random& random, Aim&& aim) {
  Guarded wanted(elements, type);
  aim(args, wanted.data());
  rows.back().kernel(args, 0, count);
  EXPECT_TRUE(wanted.margins_intact());
  for (const auto& row : rows) {
    if (!machine_has(row.isa)) continue;
    Guarded got(elements, type);
    aim(args, got.data());
    const int64_t split = random.in(0, count);
    row.kernel(args, split, count);
    row.kernel(args, 0, split);
    EXPECT_EQ(got.bytes(), wanted.bytes()) << row.name << " of " << count;
    EXPECT_TRUE(got.margins_intact()) << row.name;
  }
}

TEST(Elementwise, LookupsAreEqual) {
  Random random(seed());
  const auto table = random.bytes(256);
  for (int64_t n : kSizes) {
    const auto src = random.bytes(n);
    LookupArgs args{src.data(), nullptr, table.data()};
    check_rows(elementwise_kernels().lookup, args, n, n, DType::u8, random,
               [](LookupArgs& a, void* dst) { a.dst = static_cast<uint8_t*>(dst); });
  }
}

Affine random_affine(Random& random) {
  return {static_cast<float>(random.in(1, 3000)) * 1e-4f, static_cast<int32_t>(random.in(0, 255))};
}

TEST(Elementwise, SumsAndProductsAreEqual) {
  Random random(seed());
  for (int64_t n : kSizes)
    for (int flags = 0; flags < 4; ++flags) {
      const auto a = random.bytes(n + 1), b = random.bytes(n + 1);
      BinaryArgs args;
      args.a = a.data(), args.b = b.data();
      args.a_step = flags == 1 ? 0 : 1, args.b_step = flags == 2 ? 0 : 1;
      args.qa = random_affine(random), args.qb = random_affine(random), args.qy = random_affine(random);
      args.lo = static_cast<int32_t>(random.in(0, 100)), args.hi = static_cast<int32_t>(random.in(200, 255));
      const auto aim = [](BinaryArgs& out, void* dst) { out.dst = dst; };
      check_rows(elementwise_kernels().add_float, args, n, n, DType::u8, random, aim);
      check_rows(elementwise_kernels().mul_float, args, n, n, DType::u8, random, aim);
      set_add(args);
      check_rows(elementwise_kernels().add, args, n, n, DType::u8, random, aim);
      set_mul(args);
      check_rows(elementwise_kernels().mul, args, n, n, DType::u8, random, aim);
    }
}

// Against `mul` itself, element by element, for every pair of codes and rows of any length.
TEST(Elementwise, ProductsWithARowAreProducts) {
  Random random(seed());
  for (const int64_t columns : {1, 15, 16, 63, 64, 65, 130, 256}) {
    const int64_t rows = 256;
    std::vector<uint8_t> a(static_cast<size_t>(rows * columns)), b(a.size());
    const auto row = random.bytes(columns);
    for (size_t i = 0; i < a.size(); ++i) {
      const size_t column = i % static_cast<size_t>(columns);
      a[i] = static_cast<uint8_t>(i / static_cast<size_t>(columns));
      b[i] = columns == 256 ? static_cast<uint8_t>(column) : row.data()[column];
    }
    BinaryArgs mul;
    mul.qa = random_affine(random), mul.qb = random_affine(random), mul.qy = random_affine(random);
    mul.lo = static_cast<int32_t>(random.in(0, 100)), mul.hi = static_cast<int32_t>(random.in(200, 255));
    set_mul(mul);
    std::vector<uint8_t> wanted(a.size());
    mul.a = a.data(), mul.b = b.data(), mul.dst = wanted.data();
    mul_u8_ref(mul, 0, rows * columns);
    std::vector<float> factor(static_cast<size_t>(columns)), shift(factor.size());
    set_row_mul(mul, b.data(), columns, factor.data(), shift.data());
    RowMulArgs args{a.data(), nullptr, columns, factor.data(), shift.data()};
    args.k = mul.k, args.zero = static_cast<float>(mul.qy.zero);
    args.lo = static_cast<float>(mul.lo), args.hi = static_cast<float>(mul.hi);
    for (const auto& kernel : elementwise_kernels().row_mul) {
      if (!machine_has(kernel.isa)) continue;
      std::vector<uint8_t> got(a.size());
      args.dst = got.data();
      kernel.kernel(args, 0, 100);
      kernel.kernel(args, 100, rows);
      EXPECT_EQ(got, wanted) << kernel.name << " of " << columns;
    }
  }
}

// All pairs of codes: the definition, written with float variables so that nothing is kept wider.
TEST(Elementwise, FloatAddIsDequantizeAddQuantize) {
  std::vector<uint8_t> a(65536), b(65536), y(65536);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<uint8_t>(i >> 8), b[i] = static_cast<uint8_t>(i);
  BinaryArgs args;
  args.a = a.data(), args.b = b.data(), args.dst = y.data(), args.qa = {0.013f, 7}, args.qb = {0.021f, 130},
  args.qy = {0.03f, 99};
  for (const auto& row : elementwise_kernels().add_float) {
    if (!machine_has(row.isa)) continue;
    row.kernel(args, 0, 65536);
    for (size_t i = 0; i < a.size(); ++i) {
      const float x = static_cast<float>(a[i] - 7) * 0.013f, z = static_cast<float>(b[i] - 130) * 0.021f;
      const float sum = x + z, v = sum / 0.03f;
      ASSERT_EQ(y[i], std::clamp(static_cast<int>(std::nearbyint(v)) + 99, 0, 255)) << row.name << " " << i;
    }
  }
}

// ONNX Runtime 1.31.1 (x86-64, AVX2 and FMA): QLinearAdd and QLinearMul of all pairs of codes, h = h * 31 + y mod 2^32. In
// each set the definition in float steps gives another hash, in the first also the other order of a and b.
TEST(Elementwise, SumsAndProductsEqualOnnxRuntime) {
  struct Measured {
    bool add;
    Affine a, b, y;
    uint32_t hash;
  };
  const Measured all[] = {
      {true, {0.0842f, 186}, {0.3165f, 194}, {0.2416f, 189}, 2718487052u},
      {true, {0.1036f, 85}, {0.1413f, 99}, {0.0464f, 163}, 649493529u},
      {true, {0.2911f, 95}, {0.0348f, 8}, {0.3248f, 176}, 1722410932u},
      {false, {0.2135f, 12}, {0.3743f, 193}, {22.193f, 209}, 530018999u},
      {false, {0.3019f, 145}, {0.363f, 60}, {24.652f, 131}, 4112533454u},
      {false, {0.0484f, 79}, {0.263f, 121}, {2.9179f, 105}, 1084630807u}};
  std::vector<uint8_t> a(65536), b(65536), y(65536);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<uint8_t>(i >> 8), b[i] = static_cast<uint8_t>(i);
  for (const Measured& m : all) {
    BinaryArgs args;
    args.a = a.data(), args.b = b.data(), args.dst = y.data(), args.qa = m.a, args.qb = m.b, args.qy = m.y;
    (m.add ? set_add : set_mul)(args);
    for (const auto& row : m.add ? elementwise_kernels().add : elementwise_kernels().mul) {
      if (!machine_has(row.isa)) continue;
      row.kernel(args, 0, 65536);
      uint32_t hash = 0;
      for (const uint8_t code : y) hash = hash * 31 + code;
      EXPECT_EQ(hash, m.hash) << row.name << " " << m.a.scale;
    }
  }
}

TEST(Elementwise, QuantizeRoundsHalfToEvenSaturatesAndMapsNanToTheLowest) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> some = {0.25f, 0.75f, 1.25f, -0.25f, -0.75f, inf, -inf, nan, 1e30f, -1e30f, -0.0f};
  const std::vector<uint8_t> codes = {10, 12, 12, 10, 8, 255, 0, 0, 255, 0, 10};
  std::vector<float> src;
  std::vector<uint8_t> wanted;
  for (int i = 0; i < 20; ++i) {  // whole vectors and what is left
    src.insert(src.end(), some.begin(), some.end());
    wanted.insert(wanted.end(), codes.begin(), codes.end());
  }
  std::vector<uint8_t> dst(src.size());
  QuantizeArgs args;
  args.src = src.data(), args.dst = dst.data(), args.q = {0.5f, 10};
  for (const auto& row : elementwise_kernels().quantize) {
    if (!machine_has(row.isa)) continue;
    row.kernel(args, 0, static_cast<int64_t>(src.size()));
    EXPECT_EQ(dst, wanted) << row.name;
  }
}

// Kernels that multiply by the reciprocal must round as a division does: all numbers beside the ties of some scales.
TEST(Elementwise, QuotientsNearTiesAreThoseOfADivision) {
  Random random(seed());
  std::vector<float> src;
  std::vector<uint8_t> wanted, dst;
  for (int round = 0; round < 400; ++round) {
    QuantizeArgs args;
    args.q = random_affine(random);
    if (round % 8 == 0) args.q.scale = std::ldexp(args.q.scale, static_cast<int>(random.in(-120, 90)));
    src.clear();
    for (int code = -1; code <= 256; ++code) {
      float x = static_cast<float>((code - args.q.zero + 0.5) * static_cast<double>(args.q.scale));
      for (int i = 0; i < 4; ++i) x = std::nextafter(x, -INFINITY);
      for (int i = 0; i < 9; ++i, x = std::nextafter(x, INFINITY)) src.push_back(x);
    }
    wanted.resize(src.size()), dst.resize(src.size());
    args.src = src.data(), args.dst = wanted.data();
    quantize_ref(args, 0, std::ssize(src));
    for (const auto& row : elementwise_kernels().quantize) {
      if (!machine_has(row.isa)) continue;
      args.dst = dst.data();
      row.kernel(args, 0, std::ssize(src));
      ASSERT_EQ(dst, wanted) << row.name << ' ' << args.q.scale;
    }
  }
}

TEST(Elementwise, QuantizeDequantizeAndRangeAreEqual) {
  Random random(seed());
  for (int64_t n : kSizes) {
    auto src = random.floats(n);
    for (int64_t i = 0; i < n; ++i) src[i] = (src[i] - 1.0f) * (random.in(0, 5) ? 10.0f : 1e9f);
    if (n > 3) src[n / 2] = std::numeric_limits<float>::quiet_NaN(), src[n / 3] = -0.0f;
    QuantizeArgs q;
    q.src = src.data(), q.q = random_affine(random);
    check_rows(elementwise_kernels().quantize, q, n, n, DType::u8, random,
               [](QuantizeArgs& a, void* dst) { a.dst = dst; });
    const auto codes = random.bytes(n);
    DequantizeArgs d;
    d.src = codes.data(), d.q = random_affine(random);
    check_rows(elementwise_kernels().dequantize, d, n, n, DType::f32, random,
               [](DequantizeArgs& a, void* dst) { a.dst = static_cast<float*>(dst); });
    RangeArgs r{src.data(), nullptr, nullptr};
    check_rows(elementwise_kernels().range, r, n, 2, DType::f32, random, [](RangeArgs& a, void* dst) {
      a.lo = static_cast<float*>(dst), a.hi = a.lo + 1;
      *a.lo = *a.hi = 0;
    });
  }
}

TEST(Elementwise, DynamicCodesFollowDynamicQuantizeLinear) {
  EXPECT_EQ(dynamic_codes(0, 0).scale, 1.0f);
  EXPECT_EQ(dynamic_codes(-3, 2).zero, 153);  // the operator's documented example
  EXPECT_EQ(dynamic_codes(-3, 2).scale, 0.0196078438f);
  EXPECT_EQ(dynamic_codes(0, 2.55f).zero, 0);
  EXPECT_EQ(dynamic_codes(-2.55f, 0).zero, 255);
}

PoolArgs random_pool(Random& random) {
  PoolArgs p;
  p.n = random.in(1, 2), p.h = random.in(1, 9), p.w = random.in(1, 9), p.c = random.in(1, 140);
  p.kh = random.in(1, 4), p.kw = random.in(1, 4), p.stride_h = random.in(1, 3), p.stride_w = random.in(1, 3);
  p.dilation_h = random.in(1, 2), p.dilation_w = random.in(1, 2);
  p.pad_top = random.in(0, 2), p.pad_left = random.in(0, 2), p.pad_bottom = random.in(0, 2),
  p.pad_right = random.in(0, 2);
  p.count_padding = random.in(0, 1) == 1;
  p.oh = random.in(1, 6), p.ow = random.in(1, 6);  // some windows may lie outside
  p.src_zero = static_cast<int32_t>(random.in(0, 255));
  if (random.in(0, 2) == 0) p.channel0 = random.in(0, p.c - 1), p.channel1 = random.in(p.channel0, p.c + 3);
  return p;
}

TEST(Pool, KernelsEqualTheReference) {
  Random random(seed());
  for (int i = 0; i < 200; ++i) {
    PoolArgs p = random_pool(random);
    const auto src = random.bytes(p.n * p.h * p.w * p.c);
    RequantizeSpec spec;
    spec.profile = i % 2 ? RequantizeProfile::ort : RequantizeProfile::tflite;
    spec.src_scale = 0.1f, spec.dst_scale = 0.13f, spec.zero_point = static_cast<int32_t>(random.in(0, 255));
    const RequantizePlan plan = plan_mean(spec, 1, p.kh * p.kw, p.src_zero, 255);
    p.src = src.data(), p.requantize = plan.view();
    const int64_t rows = p.n * p.oh * p.ow;
    const auto aim = [](PoolArgs& a, void* dst) { a.dst = dst; };
    check_rows(elementwise_kernels().max_pool, p, rows, rows * p.c, DType::u8, random, aim);
    check_rows(elementwise_kernels().average_pool, p, rows, rows * p.c, DType::u8, random, aim);
  }
}

TEST(Pool, GlobalMeanIsTheExactMean) {
  PoolArgs p;
  p.h = p.kh = 7, p.w = p.kw = 300, p.c = 33;  // long rows: sums leave 16 bits
  const std::vector<uint8_t> src(static_cast<size_t>(p.h * p.w * p.c), 255);
  RequantizeSpec spec;
  spec.src_scale = 0.5f, spec.dst_scale = 0.5f, spec.zero_point = 5;
  const RequantizePlan plan = plan_mean(spec, p.h * p.w, p.h * p.w, 55, 255);
  p.src = src.data(), p.src_zero = 55, p.first_count = p.h * p.w, p.requantize = plan.view();
  std::vector<uint8_t> dst(33);
  p.dst = dst.data();
  for (const auto& row : elementwise_kernels().average_pool) {
    if (!machine_has(row.isa)) continue;
    row.kernel(p, 0, 1);
    EXPECT_EQ(dst, std::vector<uint8_t>(33, 205)) << row.name;
  }
}

TEST(Elementwise, SelectionSaysWhyEachKernelWasRefused) {
  const auto choice = select_elementwise(elementwise_kernels().quantize, false, Isa::avx2);
  EXPECT_STREQ(choice.row->name, "quantize_ref");
  for (const Refusal& refusal : choice.refused) {
    if (refusal.kernel == "quantize_u8_avx2" && machine_has(Isa::avx2)) {
      EXPECT_EQ(refusal.reason, "codes are not u8");
    }
  }
}

}  // namespace
}  // namespace bitwright
