// What operator tests share: nodes from a name and attributes, tensors from lists, one evaluation.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>

#include "ops/op.hpp"

namespace bitwright {

using Attributes = std::map<std::string, Attribute>;
using Ints = std::vector<int64_t>;

inline Node make_node(std::string op, size_t inputs, Attributes attributes = {}, size_t outputs = 1) {
  Node node;
  const size_t dot = op.rfind('.');
  if (dot != std::string::npos) node.domain = op.substr(0, dot);
  node.op = dot == std::string::npos ? op : op.substr(dot + 1);
  node.name = "n";
  node.inputs.assign(inputs, ValueId{1});
  for (size_t i = 0; i < outputs; ++i) node.outputs.push_back(ValueId{static_cast<uint32_t>(2 + i)});
  node.attributes = std::move(attributes);
  return node;
}

template <class T>
Tensor tensor(Shape shape, std::initializer_list<T> values) {
  return Tensor::of<T>(std::move(shape), std::span<const T>(values.begin(), values.size()));
}
inline Tensor floats(Shape shape, std::initializer_list<float> values) { return tensor<float>(std::move(shape), values); }

/// start, start + 1, ... in f32
inline Tensor counting(Shape shape, float start = 0) {
  Tensor made(DType::f32, std::move(shape));
  for (float& v : made.values<float>()) v = start++;
  return made;
}

inline std::vector<Tensor> run_op(const std::string& op, std::vector<Tensor> inputs, Attributes attributes = {},
                                  size_t outputs = 1) {
  const Node node = make_node(op, inputs.size(), std::move(attributes), outputs);
  std::vector<Tensor> shapes;
  const auto results = evaluate(node, inputs);
  if (infer_outputs(node, inputs, shapes)) {
    for (size_t i = 0; i < results.size(); ++i) {
      EXPECT_EQ(shapes[i].shape(), results[i].shape()) << op;
      EXPECT_EQ(shapes[i].dtype(), results[i].dtype()) << op;
    }
  }
  return results;
}

template <class T>
std::vector<T> list(const Tensor& t) {
  const auto values = t.values<T>();
  return {values.begin(), values.end()};
}

inline void expect_near(const Tensor& got, std::vector<float> want, float tolerance = 1e-6f) {
  const Tensor values = to_f32(got);
  ASSERT_EQ(values.elements(), static_cast<int64_t>(want.size()));
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(values.values<float>()[i], want[i], tolerance) << "at " << i;
}

inline std::string message_of(const std::string& op, std::vector<Tensor> inputs, Attributes attributes = {}) {
  try {
    evaluate(make_node(op, inputs.size(), std::move(attributes)), inputs);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace bitwright
