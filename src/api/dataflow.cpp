#include "api/dataflow.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/program.hpp"

namespace bitwright {
namespace {

/// What the table says about one layer, and the small network that computes its sums: ConvInteger or MatMulInteger.
struct Layer {
  const Node* node = nullptr;
  const Grid *src = nullptr, *dst = nullptr;
  const Entry* weight = nullptr;
  Tensor bias;  // int32 codes, as the engine adds them; empty: none
  const Node* last = nullptr;  // the absorbed clamp, or the layer itself

  bool conv() const { return node->is("Conv"); }
  int axis() const { return conv() || node->attr_int("transB", 0) ? 0 : 1; }  // of the weights' output channels
  int64_t channels() const { return weight->codes.dim(axis()); }
};

bool eight_bits(const Grid& grid) { return grid.format->is_integer && grid.format->bits <= 8; }

void find_result(const Model& model, const Uses& uses, Layer& layer) {
  layer.last = layer.node;
  for (;;) {
    const Entry* entry = model.quantization.find({layer.last->id, Side::output, 0});
    if (entry) {
      layer.dst = entry->when == When::statically && !entry->chain.empty() ? &entry->chain.front() : nullptr;
      return;
    }
    const int64_t next = uses.single_reader(layer.last->output());
    if (next < 0 || layer.last != layer.node) return;
    const Node& reader = model.graph.nodes[static_cast<size_t>(next)];
    if (!reader.is("Relu") && !reader.is("Clip")) return;
    layer.last = &reader;
  }
}

/// The codes of the bias: those of the table, or those that the engine makes of a derived bias. False when there are none and
/// the engine therefore computes in float.
bool read_bias(const Model& model, Layer& layer) {
  const Entry* entry = model.quantization.find({layer.node->id, Side::input, 2});
  const Tensor* values = model.graph.constant(layer.node->input(2));
  if (!entry) return !layer.dst;  // added in float, behind the sum
  if (!entry->codes.empty()) return layer.bias = entry->codes, true;
  if (!values || values->elements() != layer.channels()) return false;
  const Tensor& sw = layer.weight->chain[0].scale;
  const auto sx = static_cast<float>(value_as_double(layer.src->scale, 0));
  std::vector<float> scales;
  for (int64_t c = 0; c < layer.channels(); ++c)
    scales.push_back(sx * static_cast<float>(value_as_double(sw, c % sw.elements())));
  layer.bias = quantize(to_f32(*values).reshaped({layer.channels()}), channel_grid(format_named("int32"), 0, scales));
  return true;
}

std::optional<Layer> layer_at(const Model& model, const Uses& uses, const Node& node) {
  if (!node.is("Conv") && !node.is("Gemm") && !node.is("MatMul")) return {};
  Layer layer{&node};
  layer.src = grid_read(model, uses, node, 0);
  layer.weight = model.quantization.find({node.id, Side::input, 1});
  const bool known = layer.src && layer.src->scale.elements() == 1 && layer.src->layout.kind == Layout::tensor && layer.weight &&
                     !layer.weight->codes.empty() && layer.weight->chain.size() == 1;
  if (!known || !eight_bits(*layer.src) || !eight_bits(layer.weight->chain[0])) return {};
  const Grid& weights = layer.weight->chain[0];
  const bool per_output = weights.layout.kind == Layout::tensor ||
                          (weights.layout.kind == Layout::channel && (weights.layout.axis - layer.axis()) % layer.weight->codes.rank() == 0);
  if (!per_output || (!layer.conv() && (layer.weight->codes.rank() != 2 || node.attr_int("transA", 0)))) return {};
  if (node.is("Gemm") && (node.attr_float("alpha", 1) != 1 || node.attr_float("beta", 1) != 1)) return {};
  find_result(model, uses, layer);
  if (node.input(2) != ValueId::none && !read_bias(model, layer)) return {};
  return layer;
}

int64_t zero_of(const Grid& grid, int64_t channel = 0) {
  if (grid.zero.elements() == 0) return 0;
  return value_as_int(grid.zero, grid.zero.elements() > 1 ? channel : 0);
}

Tensor transposed(const Tensor& codes) {
  Tensor out(codes.dtype(), {codes.dim(1), codes.dim(0)});
  const std::byte* from = codes.raw();
  std::byte* to = out.raw();
  for (int64_t r = 0; r < codes.dim(0); ++r)
    for (int64_t c = 0; c < codes.dim(1); ++c) to[c * codes.dim(0) + r] = from[r * codes.dim(1) + c];
  return out;
}

/// The exact sums of products, without the bias: [N,C,...] or [...,C], int32.
std::shared_ptr<const Program> sums_program(const Layer& layer) {
  Model model;
  model.info.opsets[""] = 13;
  Graph& g = model.graph;
  const Tensor& codes = layer.weight->codes;
  const Grid& weights = layer.weight->chain[0];
  const ValueId x = g.add_value("x", layer.src->format->storage), y = g.add_value("y", DType::i32);
  const bool turn = !layer.conv() && layer.axis() == 0;
  const ValueId w = g.add_constant("w", turn ? transposed(codes) : codes);
  const auto zero = [&](const char* name, const Grid& grid) {
    if (grid.zero.elements() > 1 && grid.zero.dtype() == grid.format->storage) return g.add_constant(name, grid.zero);
    Tensor t(grid.format->storage, {});
    *t.raw() = static_cast<std::byte>(zero_of(grid));
    return g.add_constant(name, std::move(t));
  };
  const ValueId zx = zero("zx", *layer.src), zw = zero("zw", weights);
  Node& node = g.add_node(layer.conv() ? "ConvInteger" : "MatMulInteger", {x, w, zx, zw}, {y}, "sums");
  if (layer.conv()) node.attributes = layer.node->attributes;
  g.inputs = {x};
  g.outputs = {y};
  return Program::compile(std::move(model), {.target = Target::floating});
}

/// f(channel, code less its zero point) for every weight.
template <class F>
void each_weight(const Layer& layer, F f) {
  const Tensor& codes = layer.weight->codes;
  int64_t inner = 1;
  for (int64_t d = layer.axis() + 1; d < codes.rank(); ++d) inner *= codes.dim(d);
  const int64_t channels = codes.dim(layer.axis());
  for (int64_t i = 0; i < codes.elements(); ++i) {
    const int64_t channel = i / inner % channels;
    f(channel, value_as_int(codes, i) - zero_of(layer.weight->chain[0], channel));
  }
}

int64_t bias_of(const Layer& layer, int64_t channel) { return layer.bias.empty() ? 0 : value_as_int(layer.bias, channel); }

CodeSpan reach_of(const Layer& layer, int64_t channels) {
  std::vector<CodeSpan> reach(static_cast<size_t>(channels));
  for (int64_t c = 0; c < channels; ++c) reach[static_cast<size_t>(c)] = {bias_of(layer, c), bias_of(layer, c)};
  const int64_t low = layer.src->qmin - zero_of(*layer.src), high = layer.src->qmax - zero_of(*layer.src);
  each_weight(layer, [&](int64_t channel, int64_t w) {
    CodeSpan& r = reach[static_cast<size_t>(channel)];
    r.lo += std::min(w * low, w * high);
    r.hi += std::max(w * low, w * high);
  });
  CodeSpan all = reach[0];
  for (const CodeSpan& r : reach) all = {std::min(all.lo, r.lo), std::max(all.hi, r.hi)};
  return all;
}

void include(CodeSpan& span, int64_t value, bool first) {
  span = first ? CodeSpan{value, value} : CodeSpan{std::min(span.lo, value), std::max(span.hi, value)};
}

void include(CodeSpan& span, const Tensor& codes, bool first) {
  for (int64_t i = 0; i < codes.elements(); ++i) include(span, value_as_int(codes, i), first && i == 0);
}

Dataflow describe(const Layer& layer, const std::string& name) {
  Dataflow flow;
  flow.name = name, flow.op = layer.node->op;
  if (layer.last != layer.node) flow.clamp = layer.last->op;
  flow.src = *layer.src, flow.weight = layer.weight->chain[0];
  if (layer.dst) flow.dst = *layer.dst;
  flow.channels = layer.channels();
  flow.products = layer.weight->codes.elements() / flow.channels;
  flow.has_bias = !layer.bias.empty();
  include(flow.weight_codes, layer.weight->codes, true);
  if (flow.has_bias) include(flow.bias_codes, layer.bias, true);
  flow.reachable = reach_of(layer, flow.channels);
  const auto sx = static_cast<float>(value_as_double(flow.src.scale, 0));
  for (int64_t c = 0; c < flow.weight.scale.elements(); ++c) {
    const float both = sx * static_cast<float>(value_as_double(flow.weight.scale, c));
    flow.multiplier.push_back(flow.dst ? both / static_cast<float>(value_as_double(flow.dst->scale, 0)) : both);
  }
  return flow;
}

/// Watches one layer while batches run.
class Watch {
 public:
  Watch(const Model& model, const Layer& layer, Dataflow& flow)
      : layer_(layer), flow_(flow), sums_program_(sums_program(layer)), sums_(sums_program_) {
    const Graph& g = model.graph;
    const auto at = std::find(g.inputs.begin(), g.inputs.end(), layer.node->input(0));
    graph_input_ = at != g.inputs.end() ? at - g.inputs.begin() : -1;
    CompileOptions options{.target = Target::simulated};
    if (graph_input_ < 0) options.taps.push_back(layer.node->input(0));
    options.taps.push_back(layer.last->output());
    program_ = Program::compile(model, options);
  }

  void see(std::span<const Tensor> inputs) {
    Run run(program_);
    if (graph_input_ >= 0) codes_in(inputs[static_cast<size_t>(graph_input_)]);
    run.set_tap([&](ValueId value, const Tensor& tensor) {
      if (value == layer_.node->input(0)) codes_in(tensor);
      if (value == layer_.last->output() && layer_.dst) include(flow_.dst_codes, quantize(tensor, *layer_.dst), first_);
    });
    run(inputs);
    flow_.records += inputs[0].rank() > 0 ? inputs[0].dim(0) : 1;
    first_ = false;
  }

 private:
  void codes_in(const Tensor& x) {
    const Tensor codes = quantize(x, *layer_.src);
    include(flow_.src_codes, codes, first_);
    const Tensor& sums = sums_({codes})[0];
    const int64_t channels = flow_.channels, inner = layer_.conv() ? sums.elements() / sums.dim(0) / channels : 1;
    for (int64_t i = 0; i < sums.elements(); ++i)
      include(flow_.sum, value_as_int(sums, i) + bias_of(layer_, i / inner % channels), first_ && i == 0);
  }

  const Layer& layer_;
  Dataflow& flow_;
  std::shared_ptr<const Program> sums_program_, program_;
  Run sums_;
  int64_t graph_input_ = -1;
  bool first_ = true;
};

}  // namespace

int CodeSpan::bits() const {
  for (int bits = 1; bits < 64; ++bits) {
    const int64_t half = int64_t{1} << (bits - 1);
    if (lo < 0 ? lo >= -half && hi < half : hi < 2 * half) return bits;
  }
  return 64;
}

std::vector<std::string> dataflow_layers(const Model& model) {
  const Uses uses(model.graph);
  std::vector<std::string> names;
  for (const Node& node : model.graph.nodes)
    if (layer_at(model, uses, node)) names.push_back(label(model.graph, node));
  return names;
}

Dataflow layer_dataflow(const Model& model, const std::string& name, const Batches& batches) {
  if (!model.graph.state.empty())
    fail(ErrorCode::unsupported, "layers of networks that keep state from step to step cannot be watched yet");
  const Uses uses(model.graph);
  for (const Node& node : model.graph.nodes) {
    if (label(model.graph, node) != name) continue;
    const std::optional<Layer> layer = layer_at(model, uses, node);
    if (!layer) continue;
    Dataflow flow = describe(*layer, name);
    Watch watch(model, *layer, flow);
    for (int64_t i = 0; i < batches.count; ++i) watch.see(batches.inputs(i));
    return flow;
  }
  const std::vector<std::string> names = dataflow_layers(model);
  const std::string near = nearest(name, names);
  fail(ErrorCode::usage, "there is no layer '", name, "' with static 8-bit codes", near.empty() ? "" : "; did you mean '" + near + "'?",
       names.empty() ? " (the network has none; bitwright quantize makes them)" : near.empty() ? "; there are " + join(names, ", ") : "");
}

FixedPoint fixed_point(float multiplier) {
  FixedPoint fixed;
  const double fraction = std::frexp(static_cast<double>(multiplier), &fixed.shift);
  fixed.m0 = std::llround(fraction * 0x1p31);
  if (fixed.m0 == int64_t{1} << 31) fixed.m0 /= 2, ++fixed.shift;
  return fixed;
}

}  // namespace bitwright
