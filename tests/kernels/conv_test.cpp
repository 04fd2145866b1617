#include "kernels/conv/conv.hpp"

#include <gtest/gtest.h>

#include "kernels/conv/depthwise.hpp"
#include "stand_ins.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

std::string describe(const ConvShape& s) {
  return str("src ", s.n, "x", s.h, "x", s.w, "x", s.c, " dst ", s.oh, "x", s.ow, "x", s.oc, " kernel ", s.kh, "x",
             s.kw, " groups ", s.groups, " stride ", s.stride_h, ",", s.stride_w, " dilation ", s.dilation_h, ",",
             s.dilation_w, " pad ", s.pad_top, ",", s.pad_left);
}

int64_t extent(int64_t in, int64_t k, int64_t stride, int64_t dilation, int64_t pads) {
  return (in + pads - dilation * (k - 1) - 1) / stride + 1;
}

void set_output(ConvShape& s, int64_t pad_bottom, int64_t pad_right) {
  s.oh = extent(s.h, s.kh, s.stride_h, s.dilation_h, s.pad_top + pad_bottom);
  s.ow = extent(s.w, s.kw, s.stride_w, s.dilation_w, s.pad_left + pad_right);
}

// One convolution on random codes, for every kernel of the table that takes it.
class Fixture {
 public:
  Fixture(const ConvShape& s, Random& random, DType out = DType::u8, bool transposed = false)
      : shape_(s),
        out_(out),
        src_(random.bytes(s.n * s.h * s.w * s.c)),
        weights_(random.weights(s.oc * taps(), 127)),
        bias_(random.ints(s.oc, 1 << 16)),
        scale_(random.floats(s.oc)),
        plan_(random_plan(random, s.oc, taps(), RequantizeStep::f32)) {
    SrcCodes src;
    src.zero = 77;
    packed_ = pack_conv(s, weights_.data(), bias_.data(), src, transposed);
  }

  Guarded run(const ConvRow& row, int64_t split = 0, int32_t zero = 77) const {
    Guarded out(shape_.rows() * (shape_.oc + 1), out_);
    Exact<uint8_t> scratch((conv_scratch_bytes(shape_) + 63) / 64 * 64);
    ConvArgs args;
    args.shape = shape_;
    args.src = src_.data(), args.src_zero = zero;
    args.weights = weights_.data(), args.bias = bias_.data(), args.packed = &packed_;
    args.scratch = scratch.data();
    args.out = {out_, out.data(), shape_.oc + 1, plan_.view(), {scale_.data(), nullptr, 0, nullptr}};
    row.kernel(args, split, shape_.rows());
    row.kernel(args, 0, split);
    return out;
  }

 private:
  int64_t taps() const { return shape_.kh * shape_.kw * (shape_.c / shape_.groups); }

  ConvShape shape_;
  DType out_;
  Exact<uint8_t> src_;
  Exact<int8_t> weights_;
  Exact<int32_t> bias_;
  Exact<float> scale_;
  RequantizePlan plan_;
  PackedWeights packed_;
};

bool takes(const ConvRow& row, const ConvShape& s, bool transposed = false) {
  if (transposed || row.packing == ConvPacking::transposed)
    return machine_has(row.isa) && transposed && row.packing == ConvPacking::transposed;
  const bool depthwise = conv_is_depthwise(s);
  if (row.packing == ConvPacking::depthwise_lines) return machine_has(row.isa) && depthwise && conv_has_depthwise_lines(s);
  return machine_has(row.isa) && row.packing == (depthwise ? ConvPacking::depthwise : ConvPacking::dense);
}

void check(const ConvShape& s, Random& random, DType out = DType::u8, bool transposed = false) {
  const Fixture fixture(s, random, out, transposed);
  const ConvRow reference{"reference", Isa::ref, ConvPacking::none, transposed ? conv_transpose_ref : conv_ref};
  const Guarded wanted = fixture.run(reference);
  for (const ConvRow& row : conv_rows()) {
    if (!takes(row, s, transposed)) continue;
    const Guarded got = fixture.run(row, random.in(0, s.rows()));
    EXPECT_EQ(got.bytes(), wanted.bytes()) << row.name << ": " << describe(s);
    EXPECT_TRUE(got.margins_intact()) << row.name;
  }
}

ConvShape random_shape(Random& random) {
  ConvShape s;
  s.n = random.in(1, 2), s.h = random.in(1, 12), s.w = random.in(1, 12);
  s.groups = random.in(0, 3) ? 1 : random.in(1, 4);
  s.c = random.in(1, 20) * s.groups, s.oc = random.in(1, 40) * s.groups;
  if (random.in(0, 3) == 0) s.c = s.oc = s.groups = random.in(2, 140);
  s.kh = random.in(1, 4), s.kw = random.in(1, 4);
  s.stride_h = random.in(1, 3), s.stride_w = random.in(1, 3);
  s.dilation_h = random.in(1, 2), s.dilation_w = random.in(1, 2);
  s.pad_top = random.in(0, 3), s.pad_left = random.in(0, 3);
  return s;
}

TEST(Conv, KernelsEqualTheReferenceOnRandomShapes) {
  Random random(seed());
  for (int i = 0; i < 300; ++i) {
    ConvShape s = random_shape(random);
    const int64_t bottom = random.in(0, 3), right = random.in(0, 3);
    if (s.h + s.pad_top + bottom <= s.dilation_h * (s.kh - 1) || s.w + s.pad_left + right <= s.dilation_w * (s.kw - 1))
      continue;
    set_output(s, bottom, right);
    check(s, random, i % 5 == 0 ? DType::i32 : i % 5 == 1 ? DType::f32 : DType::u8);
  }
}

ConvShape square(int64_t size, int64_t c, int64_t oc, int64_t k, int64_t stride, int64_t pad) {
  ConvShape s;
  s.h = s.w = size, s.c = c, s.oc = oc, s.kh = s.kw = k, s.stride_h = s.stride_w = stride, s.pad_top = s.pad_left = pad;
  set_output(s, pad, pad);
  return s;
}

TEST(Conv, DepthwiseByLinesEqualsTheReference) {
  Random random(seed());
  for (int i = 0; i < 240; ++i) {
    ConvShape s;
    s.n = random.in(1, 2), s.h = random.in(1, 20), s.w = random.in(1, 20);
    s.c = s.oc = s.groups = random.in(2, 150);
    s.kh = s.kw = 3 + 2 * (i % 3);
    s.stride_h = random.in(1, 3), s.stride_w = random.in(1, 3);
    s.pad_top = random.in(0, 4), s.pad_left = random.in(0, 4);
    if (i % 4 == 0) s.dilation_h = random.in(1, 4), s.dilation_w = random.in(1, 4);
    const int64_t bottom = random.in(0, 4), right = random.in(0, 4);
    if (s.h + s.pad_top + bottom <= s.dilation_h * (s.kh - 1) || s.w + s.pad_left + right <= s.dilation_w * (s.kw - 1)) continue;
    set_output(s, bottom, right);
    check(s, random, i % 5 == 0 ? DType::i32 : i % 5 == 1 ? DType::f32 : DType::u8);
  }
}

TEST(Conv, KernelsEqualTheReferenceOnUsualLayers) {
  Random random(seed());
  check(square(32, 3, 16, 3, 1, 1), random);  // first layer
  check(square(20, 3, 64, 7, 2, 3), random);
  check(square(16, 16, 16, 3, 1, 1), random);
  check(square(16, 16, 32, 3, 2, 1), random);
  check(square(8, 64, 64, 3, 1, 1), random);
  check(square(7, 96, 24, 1, 1, 0), random);
  check(square(8, 32, 130, 1, 2, 0), random);  // strided 1x1
  check(square(1, 1024, 100, 1, 1, 0), random);
  ConvShape line = square(1, 24, 40, 1, 1, 0);  // 1-D
  line.w = 50, line.kw = 5, line.pad_left = 2;
  set_output(line, 0, 2);
  check(line, random);
}

TEST(Conv, DepthwiseKernelsEqualTheReferenceAtEveryWidth) {
  Random random(seed());
  for (int64_t c : {2, 3, 15, 16, 17, 32, 63, 64, 65, 96, 130})
    for (int64_t k : {1, 3, 5, 7, 9}) {
      ConvShape s = square(9, c, c, k, random.in(1, 2), k / 2);
      s.groups = c;
      for (DType out : {DType::u8, DType::i32, DType::f32}) check(s, random, out);
    }
}

TEST(Conv, AZeroPointKnownOnlyAtRunTimeGivesTheSame) {
  Random random(seed());
  const ConvShape s = square(9, 20, 33, 3, 1, 1);
  const Fixture fixture(s, random, DType::i32);
  const Guarded wanted = fixture.run({"conv_ref", Isa::ref, ConvPacking::none, conv_ref}, 0, 200);
  for (const ConvRow& row : conv_rows()) {
    if (!takes(row, s)) continue;
    EXPECT_EQ(fixture.run(row, 0, 200).bytes(), wanted.bytes()) << row.name;
  }
}

// Adds every product where it lands, instead of asking each output where it comes from.
std::vector<int64_t> scatter_transposed(const ConvShape& s, const uint8_t* src, int32_t zero, const int8_t* w) {
  std::vector<int64_t> acc(static_cast<size_t>(s.rows() * s.oc));
  const int64_t cg = s.c / s.groups, og = s.oc / s.groups;
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t y = 0; y < s.h; ++y)
      for (int64_t x = 0; x < s.w; ++x)
        for (int64_t ky = 0; ky < s.kh; ++ky)
          for (int64_t kx = 0; kx < s.kw; ++kx) {
            const int64_t oy = y * s.stride_h + ky * s.dilation_h - s.pad_top,
                          ox = x * s.stride_w + kx * s.dilation_w - s.pad_left;
            if (oy < 0 || oy >= s.oh || ox < 0 || ox >= s.ow) continue;
            for (int64_t o = 0; o < s.oc; ++o)
              for (int64_t c = 0; c < cg; ++c)
                acc[static_cast<size_t>(((n * s.oh + oy) * s.ow + ox) * s.oc + o)] +=
                    (src[((n * s.h + y) * s.w + x) * s.c + o / og * cg + c] - zero) *
                    w[((o * s.kh + ky) * s.kw + kx) * cg + c];
          }
  return acc;
}

TEST(Conv, TransposedScattersWhatConvGathers) {
  Random random(seed());
  for (int i = 0; i < 60; ++i) {
    ConvShape s = random_shape(random);
    s.oh = (s.h - 1) * s.stride_h + s.dilation_h * (s.kh - 1) + 1 - s.pad_top;
    s.ow = (s.w - 1) * s.stride_w + s.dilation_w * (s.kw - 1) + 1 - s.pad_left;
    if (s.oh < 1 || s.ow < 1) continue;
    const auto src = random.bytes(s.n * s.h * s.w * s.c);
    const auto weights = random.weights(s.oc * s.kh * s.kw * (s.c / s.groups), 127);
    std::vector<int64_t> out(static_cast<size_t>(s.rows() * s.oc));
    ConvArgs args;
    args.shape = s, args.src = src.data(), args.src_zero = 31, args.weights = weights.data(), args.wide = i % 2 == 0;
    args.out = {DType::i64, out.data(), s.oc, {}, {}};
    conv_transpose_ref(args, 0, s.rows());
    EXPECT_EQ(out, scatter_transposed(s, src.data(), 31, weights.data())) << describe(s);
  }
}

TEST(Conv, TransposedKernelsEqualTheReference) {
  Random random(seed());
  for (int i = 0; i < 200; ++i) {
    ConvShape s = random_shape(random);
    if (i % 4 == 0) s.c = random.in(1, 80) * s.groups;
    if (i % 8 == 0) s.stride_h = random.in(1, 6), s.stride_w = random.in(1, 6);  // strides longer than kernels: outputs without taps
    s.oh = (s.h - 1) * s.stride_h + s.dilation_h * (s.kh - 1) + 1 - s.pad_top + random.in(-1, 2);
    s.ow = (s.w - 1) * s.stride_w + s.dilation_w * (s.kw - 1) + 1 - s.pad_left + random.in(-1, 2);
    if (s.oh < 1 || s.ow < 1) continue;
    check(s, random, i % 5 == 0 ? DType::i32 : i % 5 == 1 ? DType::f32 : DType::u8, true);
  }
}

TEST(Conv, SelectionSaysWhyEachKernelWasRefused) {
  ConvProblem problem;
  problem.transposed = true;
  problem.weight_zero = true;
  const ConvChoice choice = select_conv(problem);
  EXPECT_STREQ(choice.row->name, "conv_transpose_ref");
  ASSERT_FALSE(choice.refused.empty());
  for (const Refusal& refusal : choice.refused)
    EXPECT_TRUE(refusal.reason == "the convolution is transposed" || refusal.reason == "a weight zero point is not 0" ||
                refusal.reason == "not on this machine" || refusal.reason == "above BITWRIGHT_ISA")
        << refusal.reason;
  EXPECT_STREQ(select_conv({}, Isa::ref).row->name, "conv_ref");
  problem = {};
  problem.fits_int32 = false;
  EXPECT_STREQ(select_conv(problem).row->name, "conv_ref");
}

}  // namespace
}  // namespace bitwright
