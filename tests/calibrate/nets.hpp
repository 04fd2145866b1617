// Small networks for tests of placement and calibration, built by hand with seeded weights.
#pragma once

#include <random>

#include "graph/quantization.hpp"

namespace bitwright::testing {

inline Tensor random_tensor(Shape shape, uint32_t seed, float spread = 1) {
  Tensor tensor(DType::f32, std::move(shape));
  std::mt19937 engine(seed);
  for (float& v : tensor.values<float>())
    v = (static_cast<float>(engine() & 0xffff) / 32768.0f - 1) * spread;
  return tensor;
}

struct Net {
  Model model;
  Graph& g = model.graph;

  ValueId input(const std::string& name, Shape shape) {
    const ValueId id = g.add_value(name, DType::f32);
    g.value(id).has_shape = true;
    g.value(id).shape = std::move(shape);
    g.inputs.push_back(id);
    return id;
  }
  ValueId add(const std::string& op, std::vector<ValueId> inputs, const std::string& name) {
    const ValueId out = g.add_value(name + ":0", DType::f32);
    g.add_node(op, std::move(inputs), {out}, name);
    return out;
  }
  ValueId conv(ValueId x, int64_t in, int64_t out, const std::string& name, uint32_t seed = 1) {
    const ValueId w = g.add_constant(name + ".w", random_tensor({out, in, 3, 3}, seed, 0.5f));
    const ValueId b = g.add_constant(name + ".b", random_tensor({out}, seed + 100, 0.1f));
    const ValueId y = add("Conv", {x, w, b}, name);
    g.nodes.back().attributes["pads"] = std::vector<int64_t>{1, 1, 1, 1};
    return y;
  }
  void output(ValueId id) { g.outputs.push_back(id); }
  NodeId node(std::string_view name) const {
    for (const Node& n : g.nodes)
      if (n.name == name) return n.id;
    return NodeId::none;
  }
};

/// x -> conv1 -> relu1 -> conv2 -> add(+ relu1) -> relu2 -> conv3
inline Net residual_net() {
  Net net;
  const ValueId x = net.input("x", {-1, 3, 6, 6});
  net.g.symbol("N");
  const ValueId r = net.add("Relu", {net.conv(x, 3, 4, "conv1", 1)}, "relu1");
  const ValueId sum = net.add("Add", {net.conv(r, 4, 4, "conv2", 2), r}, "add");
  net.output(net.conv(net.add("Relu", {sum}, "relu2"), 4, 5, "conv3", 3));
  return net;
}

}  // namespace bitwright::testing
