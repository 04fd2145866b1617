// QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, and the com.microsoft spellings of the first two. Nodes that
// `fold` could not move into the Quantization run here, with the arithmetic of docs/quantization.md Q1, Q2.
#include <algorithm>
#include <cmath>

#include "ops/codes.hpp"
#include "ops/minifloat.hpp"
#include "ops/real.hpp"
#include "quant/grid.hpp"
#include "quant/rounding.hpp"

namespace bitwright {
namespace {

// Which elements share a scale: inputs 0 and 1 and the attributes `axis` and `block_size` say.
Layout read_layout(const OpContext& c) {
  const Shape &x = c.input(0).shape(), &scale = c.input(1).shape();
  const int64_t block = c.node().attr_int("block_size", 0);
  Layout layout;
  if (scale.empty() || (scale == Shape{1} && block == 0)) return layout;
  layout.axis = static_cast<int>(normal_axis(c, c.node().attr_int("axis", 1), std::ssize(x)));
  layout.kind = block > 0 ? Layout::block : Layout::channel;
  layout.block_size = block;
  const Shape wanted = parameter_shape(layout, x);
  if (scale != wanted) c.malformed(str("the scale has shape ", to_string(scale), ", wanted ", to_string(wanted)));
  if (c.has(2) && c.input(2).shape() != scale)
    c.malformed(str("the zero point has shape ", to_string(c.input(2).shape()), ", the scale ", to_string(scale)));
  return layout;
}

std::vector<int32_t> read_zeros(const OpContext& c, DType type) {
  std::vector<int32_t> zeros(static_cast<size_t>(c.input(1).elements()), 0);
  if (!c.has(2)) return zeros;
  const Tensor& given = c.data(2);
  if (given.elements() != std::ssize(zeros)) c.malformed("the zero point has not as many elements as the scale");
  if (is_integer(type)) return codes_of(given);
  const int bits = bits_of(type);
  for (int64_t i = 0; i < given.elements(); ++i)
    if (decode_minifloat(type, static_cast<uint8_t>(load_code(given.raw(), i, bits))) != 0)
      c.unsupported("a zero point that is not 0 for a float type");
  return zeros;
}

// f(element, parameter) over the whole tensor, run by run.
template <class F>
void for_each_element(const Layout& layout, const Shape& shape, F f) {
  for (const ParamRun& run : parameter_runs(layout, shape))
    for (int64_t i = 0; i < run.count; ++i) f(run.begin + i, run.param + i * run.step);
}

// x / s in the precision asked for: by default that of the scale.
auto divider(const OpContext& c) {
  const auto asked = static_cast<DType>(c.node().attr_int("precision", 0));
  const DType precision = asked == DType::none ? c.input(1).dtype() : asked;
  return [precision](float x, float scale) {
    const float v = x / scale;
    return precision == DType::f16 ? float(Half(v)) : precision == DType::bf16 ? float(BFloat16(v)) : v;
  };
}

DType quantized_type(const OpContext& c) {
  const auto asked = static_cast<DType>(c.node().attr_int("output_dtype", 0));
  const DType type = c.has(2) ? c.input(2).dtype() : asked == DType::none ? DType::u8 : asked;
  if (c.has(2) && asked != DType::none && asked != type)
    c.malformed(str("output_dtype is ", name_of(asked), ", the zero point ", name_of(type)));
  if (!(is_integer(type) && bits_of(type) <= 16) && !(is_minifloat(type) && type != DType::f8e8m0))
    c.malformed(str("cannot quantize to ", name_of(type)));
  return type;
}

void quantize_to_integers(const OpContext& c, const Layout& layout, Tensor& y) {
  const RealInput x(c, 0), scale(c, 1);
  const std::vector<int32_t> zeros = read_zeros(c, y.dtype());
  const auto divide = divider(c);
  const auto range = code_range(y.dtype());
  auto code = [&](int64_t i, int64_t p) {
    const int32_t zero = zeros[static_cast<size_t>(p)];
    const auto low = static_cast<float>(range.first - zero), high = static_cast<float>(range.second - zero);
    return rne_small(limit(divide(x.data[i], scale.data[p]), low, high)) + zero;
  };
  const int bits = bits_of(y.dtype());
  std::byte* raw = y.raw();
  if (bits < 8) return for_each_element(layout, y.shape(), [&](int64_t i, int64_t p) {
    store_code(raw, i, bits, static_cast<unsigned>(code(i, p)));
  });
  dispatch(y.dtype(), [&]<class T>(T*) {
    T* to = y.values<T>().data();
    if constexpr (std::is_integral_v<T>)
      for_each_element(layout, y.shape(), [&](int64_t i, int64_t p) { to[i] = static_cast<T>(code(i, p)); });
  });
}

void quantize_to_floats(const OpContext& c, const Layout& layout, Tensor& y) {
  const RealInput x(c, 0), scale(c, 1);
  read_zeros(c, y.dtype());
  const auto divide = divider(c);
  const bool saturate = c.node().attr_int("saturate", 1) != 0;
  const int bits = bits_of(y.dtype());
  std::byte* raw = y.raw();
  for_each_element(layout, y.shape(), [&](int64_t i, int64_t p) {
    const float v = divide(x.data[i], scale.data[p]) + 0.0f;  // adding the zero point makes -0 to 0
    store_code(raw, i, bits, encode_minifloat(y.dtype(), v, saturate));
  });
}

void run_quantize(OpContext& c) {
  const DType from = c.input(0).dtype(), type = quantized_type(c);
  if (from != DType::i32) real_type(c, 0);
  const Layout layout = read_layout(c);
  Tensor y = c.output(0, type, c.input(0).shape());
  if (c.shape_only()) return;
  if (bits_of(type) <= 8) std::fill_n(y.raw(), y.bytes(), std::byte{0});  // store_code adds bits to zeros
  return is_integer(type) ? quantize_to_integers(c, layout, y) : quantize_to_floats(c, layout, y);
}

void run_dequantize(OpContext& c) {
  const Tensor& x = c.input(0);
  const auto asked = static_cast<DType>(c.node().attr_int("output_dtype", 0));
  const bool small = is_minifloat(x.dtype());
  if (!small && !(is_integer(x.dtype()) && bits_of(x.dtype()) <= 32))
    c.malformed(str("input 0 is ", name_of(x.dtype()), ", wanted codes"));
  const Layout layout = read_layout(c);
  RealOutput y(c, 0, asked == DType::none ? real_type(c, 1) : asked, x.shape());
  if (c.shape_only()) return;
  const RealInput scale(c, 1);
  const std::vector<int32_t> zeros = read_zeros(c, x.dtype());
  float* to = y.data();
  if (small) {
    const int bits = bits_of(x.dtype());
    const std::byte* raw = c.data(0).raw();
    for_each_element(layout, x.shape(), [&](int64_t i, int64_t p) {
      to[i] = decode_minifloat(x.dtype(), static_cast<uint8_t>(load_code(raw, i, bits))) * scale.data[p];
    });
  } else {
    const std::vector<int32_t> codes = codes_of(c.data(0));
    for_each_element(layout, x.shape(), [&](int64_t i, int64_t p) {
      const int64_t centred = int64_t{codes[static_cast<size_t>(i)]} - zeros[static_cast<size_t>(p)];
      to[i] = static_cast<float>(centred) * scale.data[p];
    });
  }
  y.finish();
}

// One unsigned 8-bit grid over [min(x, 0), max(x, 0)]; all zeros get the scale 1, as ONNX Runtime has it.
void run_dynamic(OpContext& c) {
  Tensor y = c.output(0, DType::u8, c.input(0).shape());
  Tensor scale = c.output(1, DType::f32, {}), zero = c.output(2, DType::u8, {});
  if (real_type(c, 0) != DType::f32) c.unsupported("only f32 is supported");
  if (c.shape_only()) return;
  const RealInput x(c, 0);
  float low = 0, high = 0;
  for (int64_t i = 0; i < y.elements(); ++i) {
    low = x.data[i] < low ? x.data[i] : low;
    high = x.data[i] > high ? x.data[i] : high;
  }
  const float s = high == low ? 1.0f : (high - low) / 255.0f;
  const int32_t z = rne_small(limit((0 - low) / s, 0, 255));
  scale.values<float>()[0] = s;
  zero.values<uint8_t>()[0] = static_cast<uint8_t>(z);
  uint8_t* to = y.values<uint8_t>().data();
  c.parallel(y.elements(), 1 << 15, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = static_cast<uint8_t>(quantize_one(x.data[i], s, z, 0, 255));
  });
}

void upgrade_foreign(UpgradeContext& u) { u.node.domain.clear(); }

// Before opset 21: 8 bits (and f8 from 19), no blocks, no types by attribute. Below 13 one scale per tensor.
bool downgrade_linear(UpgradeContext& u) {
  const Node& node = u.node;
  const auto known = [&](ValueId id) { return u.graph.has_value(id) ? u.graph.value(id).dtype : DType::none; };
  const DType codes = node.op == "QuantizeLinear" ? known(node.input(2)) : known(node.input(0));
  if (codes != DType::u8 && codes != DType::i8 && !(codes == DType::i32 && node.op == "DequantizeLinear")) return false;
  for (const char* key : {"block_size", "output_dtype", "precision"})
    if (node.attr_int(key, 0) != 0) return false;
  const Tensor* scale = u.graph.constant(node.input(1));
  if (u.opset < 13 && (!scale || scale->elements() != 1)) return false;
  for (const char* key : {"block_size", "output_dtype", "precision", "saturate"}) u.node.attributes.erase(key);
  if (u.opset < 13) u.node.attributes.erase("axis");
  return u.opset >= 10;
}

const Op kOps[] = {
    {.name = "QuantizeLinear", .min_inputs = 2, .max_inputs = 3, .since = 21, .run = run_quantize,
     .downgrade = downgrade_linear},
    {.name = "DequantizeLinear", .min_inputs = 2, .max_inputs = 3, .since = 21, .run = run_dequantize,
     .downgrade = downgrade_linear},
    {.name = "DynamicQuantizeLinear", .min_outputs = 3, .max_outputs = 3, .since = 11, .run = run_dynamic},
    {.name = "QuantizeLinear", .domain = "com.microsoft", .min_inputs = 2, .max_inputs = 3, .run = run_quantize,
     .upgrade = upgrade_foreign},
    {.name = "DequantizeLinear", .domain = "com.microsoft", .min_inputs = 2, .max_inputs = 3, .run = run_dequantize,
     .upgrade = upgrade_foreign},
};

}  // namespace

std::span<const Op> ops_quantize_linear() { return kOps; }

}  // namespace bitwright
