// A small quantized network for tests of the runtime.
#pragma once

#include "noise.hpp"
#include "runtime/program.hpp"

namespace bitwright {

/// conv 3x3 -> relu -> conv 3x3 stride 2 -> add -> global average pool -> flatten -> gemm, random weights, with a table.
struct Small {
  Model model;
  std::mt19937 random{7};

  Tensor noise(const Shape& shape, float deviation) { return bitwright::noise(shape, deviation, random); }

  void quantize_output(NodeId node, const Grid& grid) {
    model.quantization.at[{node, Side::output, 0}].chain = {grid};
  }

  void quantize_weights(const Node& node, int axis) {
    const Tensor& w = *model.graph.constant(node.inputs[1]);
    std::vector<float> scales(static_cast<size_t>(w.dim(axis)));
    const Shape strides = strides_of(w.shape());
    for (int64_t i = 0; i < w.elements(); ++i) {
      float& s = scales[static_cast<size_t>(i / strides[static_cast<size_t>(axis)] % w.dim(axis))];
      s = std::max(s, std::abs(w.values<float>()[static_cast<size_t>(i)]) / 127);
    }
    Entry& entry = model.quantization.at[{node.id, Side::input, 1}];
    entry.chain = {channel_grid(format_named("int8"), axis, scales)};
    entry.codes = quantize(w, entry.chain[0]);
    if (node.inputs.size() > 2) model.quantization.at[{node.id, Side::input, 2}].when = When::derived;
  }

  Small(std::string_view activation_format) {
    Graph& g = model.graph;
    const Format& format = format_named(activation_format);
    const bool is_signed = format.is_signed;
    const float range = static_cast<float>(int64_t{1} << format.bits);
    auto grid = [&](float lo, float hi) {
      const float scale = (hi - lo) / (range - 1);
      return tensor_grid(format, scale, static_cast<int32_t>(std::lround(-lo / scale)) - (is_signed ? static_cast<int32_t>(range / 2) : 0));
    };
    const ValueId x = g.add_value("x", DType::f32);
    g.value(x).has_shape = true;
    g.value(x).shape = {g.symbol("N"), 3, 9, 8};
    g.inputs = {x};
    model.quantization.at[{kGraphInput, Side::output, 0}].chain = {grid(-3, 3)};
    auto conv = [&](ValueId in, int64_t ic, int64_t oc, int64_t stride, std::string name) {
      const ValueId w = g.add_constant(name + ".w", noise({oc, ic, 3, 3}, 0.2f));
      const ValueId b = g.add_constant(name + ".b", noise({oc}, 0.3f));
      const ValueId y = g.add_value(name);
      Node& node = g.add_node("Conv", {in, w, b}, {y}, name);
      node.attributes["pads"] = std::vector<int64_t>{1, 1, 1, 1};
      node.attributes["strides"] = std::vector<int64_t>{stride, stride};
      quantize_weights(node, 0);
      return y;
    };
    const ValueId c1 = conv(x, 3, 17, 1, "c1");
    const ValueId r1 = g.add_value("r1");
    quantize_output(g.add_node("Relu", {c1}, {r1}, "relu").id, grid(0, 4));
    const ValueId c2 = conv(r1, 17, 20, 2, "c2");
    quantize_output(g.nodes.back().id, grid(-4, 4));
    const ValueId c3 = conv(r1, 17, 20, 2, "c3");
    quantize_output(g.nodes.back().id, grid(-5, 5));
    const ValueId sum = g.add_value("sum");
    quantize_output(g.add_node("Add", {c2, c3}, {sum}, "add").id, grid(-6, 6));
    const ValueId pooled = g.add_value("pooled");
    quantize_output(g.add_node("GlobalAveragePool", {sum}, {pooled}, "pool").id, grid(-6, 6));
    const ValueId flat = g.add_value("flat");
    quantize_output(g.add_node("Flatten", {pooled}, {flat}, "flatten").id, grid(-6, 6));
    const ValueId w = g.add_constant("fc.w", noise({10, 20}, 0.3f)), b = g.add_constant("fc.b", noise({10}, 0.1f));
    const ValueId y = g.add_value("y");
    Node& fc = g.add_node("Gemm", {flat, w, b}, {y}, "fc");
    fc.attributes["transB"] = int64_t{1};
    quantize_weights(fc, 0);
    quantize_output(fc.id, grid(-8, 8));
    g.outputs = {y};
  }

  Tensor run(Target target, const Tensor& x, int threads = 1, Isa isa = isa_cap()) const {
    const auto program = Program::compile(model, {.target = target, .isa = isa});
    Run run(program, {.threads = threads});
    return run({x})[0].clone();
  }
};

}  // namespace bitwright
