// Foreign and old nodes become nodes that compute the same.
#include "helpers.hpp"

namespace bitwright {
namespace {

std::vector<Tensor> run_upgraded(const std::string& op, std::vector<Tensor> inputs, Attributes attributes, int opset = 1) {
  Graph graph;
  Node node = make_node(op, 0, std::move(attributes), 0);
  for (const Tensor& t : inputs) node.inputs.push_back(t.empty() ? ValueId::none : graph.add_constant("c", t));
  node.outputs = {graph.add_value("y")};
  node.id = graph.new_node_id();
  graph.outputs = node.outputs;
  std::vector<Node> before, after;
  UpgradeContext context{graph, node, opset, before, after};
  find_op(node.domain, node.op)->upgrade(context);
  for (Node& n : before) graph.nodes.push_back(n);
  graph.nodes.push_back(node);
  verify(graph);
  return interpret(graph, {});
}

TEST(Upgrade, MatMulNBitsSubtractsTheMiddleCode) {
  // One output, two blocks of 16: codes 9 (= 1) and 10 (= 2) with scales 1 and 10.
  Tensor b(DType::u8, {1, 2, 8}), x(DType::f32, {1, 32});
  for (size_t i = 0; i < 16; ++i) b.values<uint8_t>()[i] = i < 8 ? 0x99 : 0xaa;
  for (float& v : x.values<float>()) v = 1;
  const auto y = run_upgraded("com.microsoft.MatMulNBits", {x, b, floats({2}, {1, 10})},
                              {{"K", int64_t{32}}, {"N", int64_t{1}}, {"bits", int64_t{4}}, {"block_size", int64_t{16}}});
  expect_near(y[0], {16 + 320});
}

TEST(Upgrade, MatMulNBitsWithALastBlockThatIsNotFull) {
  // Two outputs of 20 inputs: blocks of 16 and 4, the rest of the second is filled with anything.
  Tensor b(DType::u8, {2, 2, 8}), x(DType::f32, {1, 20});
  for (size_t i = 0; i < 32; ++i) b.values<uint8_t>()[i] = i % 16 < 8 ? 0x99 : i % 16 < 10 ? 0xaa : 0xff;
  for (float& v : x.values<float>()) v = 1;
  const auto y = run_upgraded("com.microsoft.MatMulNBits", {x, b, floats({4}, {1, 10, 2, 20})},
                              {{"K", int64_t{20}}, {"N", int64_t{2}}, {"bits", int64_t{4}}, {"block_size", int64_t{16}}});
  expect_near(y[0], {16 + 80, 32 + 160});
}

TEST(Upgrade, BatchNormalizationPerElement) {
  const Tensor p = floats({1, 2}, {1, 2}), x = floats({1, 1, 2}, {3, 6});
  expect_near(run_upgraded("BatchNormalization", {x, p, p, p, floats({1, 2}, {4, 16})},
                           {{"spatial", int64_t{0}}, {"epsilon", 0.0f}}, 7)[0], {2, 4});
}

}  // namespace
}  // namespace bitwright
