#include "runtime/linear.hpp"

#include <algorithm>
#include <cstring>

namespace bitwright {
namespace {

RequantizeProfile kernel_profile(Profile profile) {
  switch (profile) {
    case Profile::ort: return RequantizeProfile::ort;
    case Profile::real: return RequantizeProfile::real;
    case Profile::tflite: return RequantizeProfile::tflite;
  }
  return RequantizeProfile::ort;
}

/// One value per channel from a parameter that has one in all, one each, or one each of a group (a grouped ConvTranspose).
template <class T>
std::vector<T> per_channel(const Tensor& parameter, int64_t channels, T fallback) {
  std::vector<T> values(static_cast<size_t>(channels), fallback);
  if (parameter.empty()) return values;
  for (int64_t c = 0; c < channels; ++c)
    values[static_cast<size_t>(c)] = static_cast<T>(value_as_double(parameter, c % parameter.elements()));
  return values;
}

/// Unsigned codes become signed ones, their zero points with them, so that kernels see i8 only.
Tensor signed_codes(const Tensor& codes, std::vector<int32_t>& zeros) {
  if (codes.dtype() != DType::u8) return codes;
  Tensor shifted(DType::i8, codes.shape());
  const auto from = codes.values<uint8_t>();
  const auto to = shifted.values<int8_t>();
  for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<int8_t>(from[i] - 128);
  for (int32_t& zero : zeros) zero -= 128;
  return shifted;
}

/// The code of a bias value: clamp(rne(b / s)) in int32, the quotient in float32 as QuantizeLinear computes it.
int32_t bias_code(float bias, float scale) {
  const double v = std::nearbyint(static_cast<double>(bias / scale));
  return static_cast<int32_t>(std::min(std::max(v, -2147483648.0), 2147483647.0));
}

/// Whether the codes of the entry count in steps of `scale`, from 0.
bool counts_in(const Entry& entry, const std::vector<float>& scale) {
  if (entry.chain.empty()) return true;
  const Grid& grid = entry.chain[0];
  for (int64_t i = 0; i < grid.zero.elements(); ++i)
    if (value_as_double(grid.zero, i) != 0) return false;
  return per_channel<float>(grid.scale, std::ssize(scale), 1.0f) == scale;
}

std::string read_bias(const Lowering& lowering, const Node& node, size_t input, Linear& linear) {
  if (node.input(input) == ValueId::none) return {};
  const Entry* entry = lowering.input_entry(node, input);
  const Tensor* constant = lowering.constant(node.input(input));
  if (!constant || constant->elements() != linear.channels) return "its bias is not one constant per output";
  std::vector<float> scale(static_cast<size_t>(linear.channels));
  for (size_t c = 0; c < scale.size(); ++c) scale[c] = linear.src.scale * linear.weight_scale[c];
  // ONNX Runtime's session counts a float bias in steps of sx * sw where it fuses the layer.
  const bool counted = !entry && linear.dst && lowering.options().target == Target::onnxruntime;
  if (!counted && (!entry || !counts_in(*entry, scale))) {
    if (!lowering.has_constant(node, input)) return "its bias has another scale than input times weights, and no codes";
    const Tensor values = to_f32(lowering.constant_floats(node, input));
    linear.float_bias.assign(values.values<float>().begin(), values.values<float>().end());
    return {};
  }
  if (std::any_of(scale.begin(), scale.end(), [](float s) { return !(s > 0); })) return "its bias would have a scale of 0";
  linear.bias.resize(scale.size());
  for (size_t c = 0; c < scale.size(); ++c) {
    const auto i = static_cast<int64_t>(c);
    linear.bias[c] = !entry || entry->codes.empty() ? bias_code(static_cast<float>(value_as_double(*constant, i)), scale[c])
                                          : static_cast<int32_t>(value_as_int(entry->codes, i));
  }
  return {};
}

}  // namespace

ProductShape product_shape(const Lowering& lowering, const Node& node) {
  const Shape &x = lowering.known(node.input(0))->shape(), &w = lowering.known(node.input(1))->shape();
  const bool gemm = node.is("Gemm");
  ProductShape p;
  p.trans_b = gemm && node.attr_int("transB", 0);
  if (gemm && (node.attr_int("transA", 0) || node.attr_float("alpha", 1) != 1 || node.attr_float("beta", 1) != 1)) {
    p.reason = "transA, alpha or beta";
  } else if (x.empty() || w.empty() || (w.size() > 2 && elements_of(std::span(w).first(w.size() - 2)) != 1)) {
    p.reason = str("shapes ", to_string(x), " x ", to_string(w));
  } else {
    const bool vector = w.size() == 1;
    p.k = x.back(), p.m = rows_of(x);
    p.n = vector ? 1 : p.trans_b ? w[0] : w.back();
    p.axis = vector ? -1 : p.trans_b ? 0 : static_cast<int>(w.size()) - 1;
  }
  return p;
}

std::string read_weights(const Lowering& lowering, const Node& node, size_t input, int axis, Linear& linear) {
  const Entry* entry = lowering.input_entry(node, input);
  if (!entry || entry->codes.empty()) return "its weights are float";
  if (entry->chain.size() != 1) return "its weights are quantized more than once";
  const Grid& grid = entry->chain[0];
  const int rank = static_cast<int>(entry->codes.rank());
  const int grid_axis = grid.layout.axis < 0 ? grid.layout.axis + rank : grid.layout.axis;
  if (!grid.format->is_integer || !grid.table.empty()) return str("its weights are ", grid.format->name);
  if (grid.layout.kind == Layout::block) return "its weights have a scale per block";
  if (grid.layout.kind == Layout::channel && grid_axis != axis) return "its weights' scales do not follow its outputs";
  if (!grid.zero.empty() && !is_integer(grid.zero.dtype())) return "its weights have a float zero point";
  linear.weight_scale = per_channel<float>(grid.scale, linear.channels, 1.0f);
  linear.weight_zero = per_channel<int32_t>(grid.zero, linear.channels, 0);
  linear.weights = signed_codes(entry->codes, linear.weight_zero);
  if (linear.weights.dtype() != DType::i8 && linear.weights.dtype() != DType::i16)
    return str("its weights are stored as ", name_of(linear.weights.dtype()));
  for (const int32_t zero : linear.weight_zero) linear.has_weight_zero = linear.has_weight_zero || zero != 0;
  return {};
}

namespace {

/// Why there are no codes of input 0; empty where the rules for run-time codes have said it.
std::string why_no_codes(const Lowering& lowering, const Node& node) {
  const Entry* entry = lowering.input_entry(node, 0);
  if (is_at_run(entry)) return {};
  if (!entry) entry = lowering.output_entry(node.input(0));
  if (!is_static(entry)) return "its input is float";
  const Grid& grid = entry->chain.back();
  if (!grid.format->is_integer || !grid.table.empty() || grid.format->bits > 16) return str("its input is ", grid.format->name);
  return grid.layout.kind == Layout::tensor ? "the zero point of its input is no code" : "its input has several scales";
}

}  // namespace

std::variant<Linear, std::string> read_linear(const Lowering& lowering, const Node& node, size_t weight_input,
                                              size_t bias_input, int axis, int64_t channels) {
  Linear linear;
  linear.channels = channels;
  const auto src = lowering.input_grid(node, 0);
  if (!src) return why_no_codes(lowering, node);
  linear.src = *src;
  if (std::string reason = read_weights(lowering, node, weight_input, axis, linear); !reason.empty()) return reason;
  read_tail(lowering, node, linear);
  if (std::string reason = read_bias(lowering, node, bias_input, linear); !reason.empty()) return reason;
  return linear;
}

void read_tail(const Lowering& lowering, const Node& node, Linear& linear) {
  linear.tail = lowering.clamp_tail(node.output());
  linear.dst = lowering.output_grid(linear.tail.value);
  if (linear.dst) return;
  linear.tail = {.value = node.output()};
  linear.dst = lowering.output_grid(node.output());
}

EngineGrid Linear::clamped_dst() const {
  EngineGrid grid = *dst;
  grid.lo = std::max(grid.lo, dst->code(tail.lo));
  grid.hi = std::min(grid.hi, dst->code(tail.hi));
  return grid;
}

Output Leaving::output(void* data, int64_t stride) const {
  Output out;
  out.type = type;
  out.data = data;
  out.stride = stride;
  if (to_codes) {
    out.requantize = requantize.view();
  } else {
    out.dequantize.scale = scale.data();
    out.dequantize.bias = bias.empty() ? nullptr : bias.data();
  }
  return out;
}

namespace {

std::string requantize_certificate(const RequantizePlan& plan, Profile profile) {
  const std::string why = plan.refused.empty() ? std::string() : " (" + plan.refused + ")";
  if (profile == Profile::ort) return "requantize: one float32 product, which is what profile ort says";
  if (plan.constants.step == RequantizeStep::exact) return str("requantize: the definition of profile ", name_of(profile), " itself", why);
  const int bits = plan.constants.step == RequantizeStep::f32 ? 32 : 64;
  return str("requantize: one float", bits, " product, proved equal to profile ", name_of(profile), " for every sum that can occur", why);
}

/// The bits, sign included, that hold every sum of products that can occur.
std::string sums_certificate(const std::vector<Reach>& reach) {
  int64_t largest = 0;  // of sums as they are, of others one less than their magnitude
  for (const Reach& r : reach) largest = std::max({largest, r.hi, -(r.lo + 1)});
  int bits = 1;
  for (; largest > 0; largest /= 2) ++bits;
  return bits <= 32 ? str("sums: ", bits, " of int32's 32 bits hold every one that can occur, proved from the weights")
                    : str("sums: may take ", bits, " bits, so they are int64");
}

}  // namespace

Leaving make_leaving(const Linear& linear, Profile profile, const std::vector<Reach>& reach,
                     std::vector<std::string>& notes) {
  constexpr size_t kSlack = 64;  // vectors may be read past the last channel
  Leaving leaving;
  notes.push_back(sums_certificate(reach));
  if (!linear.leaves_codes()) {
    if (linear.dst) notes.push_back("its bias is float: the sums leave as float and become codes in a step of their own");
    for (const float scale : linear.weight_scale) leaving.scale.push_back(linear.src.scale * scale);
    leaving.scale.resize(leaving.scale.size() + kSlack);
    leaving.bias = linear.float_bias;
    if (!leaving.bias.empty()) leaving.bias.resize(leaving.bias.size() + kSlack);
    return leaving;
  }
  const EngineGrid dst = linear.clamped_dst();
  leaving.to_codes = true;
  leaving.type = dst.type;
  RequantizeSpec spec{.profile = kernel_profile(profile), .src_scale = linear.src.scale, .dst_scale = dst.scale,
                      .weight_scale = linear.weight_scale, .zero_point = dst.zero, .lo = dst.lo, .hi = dst.hi};
  leaving.requantize = plan_requantize(spec, reach);
  notes.push_back(requantize_certificate(leaving.requantize, profile));
  leaving.requantize.keep_what_is_read();
  return leaving;
}

void define_linear(Lowering& lowering, const Node& node, const Linear& linear, BufferId buffer, Order order) {
  lowering.absorb(linear.tail);
  if (linear.leaves_codes()) return lowering.define_codes(linear.tail.value, buffer, order);
  if (!linear.dst) return lowering.define_raw(node.output(), buffer, order);
  const EngineGrid grid = linear.clamped_dst();
  const Shape& plain = lowering.known(node.output())->shape();
  const BufferId codes = lowering.make(grid.type, order == Order::plain ? plain : channels_last_shape(plain));
  lowering.add(quantize_step(buffer, codes, grid));
  lowering.define_codes(linear.tail.value, codes, order);
}

}  // namespace bitwright
