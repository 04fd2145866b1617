// What is written is read again as the same graph; files beside the model; names; refusals.
#include <gtest/gtest.h>

#include <filesystem>

#include "io/onnx/onnx.hpp"
#include "core/mapped_file.hpp"

namespace bitwright {
namespace {

const std::string kShared = BW_SOURCE_DIR "/../shared/data/";

std::string scratch(const std::string& name) { return testing::TempDir() + "bitwright_export_" + name; }

void expect_same_graph(const Graph& a, const Graph& b);

void expect_same_attribute(const Attribute& a, const Attribute& b, const std::string& where) {
  ASSERT_EQ(a.index(), b.index()) << where;
  if (const auto* g = std::get_if<std::shared_ptr<Graph>>(&a)) {
    expect_same_graph(**g, *std::get<std::shared_ptr<Graph>>(b));
  } else if (const auto* t = std::get_if<Tensor>(&a)) {
    EXPECT_TRUE(identical(*t, std::get<Tensor>(b))) << where;
  } else {
    EXPECT_TRUE(std::visit([&]<class T>(const T& x) {
      if constexpr (std::is_same_v<T, Tensor> || std::is_same_v<T, std::shared_ptr<Graph>>) return true;
      else return x == std::get<T>(b);
    }, a)) << where;
  }
}

void expect_same_value(const Graph& a, ValueId x, const Graph& b, ValueId y) {
  ASSERT_EQ(x == ValueId::none, y == ValueId::none);
  if (x == ValueId::none || !a.has_value(x) || !b.has_value(y)) return;
  if (const Tensor* constant = a.constant(x)) {
    ASSERT_NE(b.constant(y), nullptr) << a.value(x).name;
    EXPECT_TRUE(identical(*constant, *b.constant(y))) << a.value(x).name;
  }
}

void expect_same_graph(const Graph& a, const Graph& b) {
  ASSERT_EQ(a.nodes.size(), b.nodes.size());
  for (size_t i = 0; i < a.nodes.size(); ++i) {
    const Node &x = a.nodes[i], &y = b.nodes[i];
    const std::string where = display_name(x);
    EXPECT_EQ(x.op, y.op) << where;
    EXPECT_EQ(x.domain, y.domain) << where;
    EXPECT_EQ(x.name, y.name) << where;
    ASSERT_EQ(x.inputs.size(), y.inputs.size()) << where;
    for (size_t k = 0; k < x.inputs.size(); ++k) expect_same_value(a, x.inputs[k], b, y.inputs[k]);
    ASSERT_EQ(x.attributes.size(), y.attributes.size()) << where;
    for (const auto& [key, value] : x.attributes) expect_same_attribute(value, y.attributes.at(key), where + key);
  }
  ASSERT_EQ(a.inputs.size(), b.inputs.size());
  ASSERT_EQ(a.outputs.size(), b.outputs.size());
}

void expect_same_interface(const Graph& a, const Graph& b) {
  for (const auto& [x, y] : {std::pair(&a.inputs, &b.inputs), std::pair(&a.outputs, &b.outputs)})
    for (size_t i = 0; i < x->size(); ++i) {
      const Value &v = a.value((*x)[i]), &w = b.value((*y)[i]);
      EXPECT_EQ(v.name, w.name);
      EXPECT_EQ(v.dtype, w.dtype) << v.name;
      EXPECT_EQ(a.shape_text(v.shape), b.shape_text(w.shape)) << v.name;
    }
}

class WrittenModel : public testing::TestWithParam<const char*> {};

TEST_P(WrittenModel, IsWrittenAndReadAgain) {
  const std::string path = kShared + GetParam();
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "../shared/data is absent";
  const Model model = read_onnx(path);
  const std::string file = scratch(std::filesystem::path(path).filename().string());
  const OnnxWritten written = write_onnx(model, file);
  EXPECT_EQ(written.bytes, std::filesystem::file_size(file));
  const Model again = read_onnx(file);
  expect_same_graph(model.graph, again.graph);
  expect_same_interface(model.graph, again.graph);
  EXPECT_EQ(again.info.metadata, model.info.metadata);
  if (!std::getenv("BITWRIGHT_KEEP")) std::filesystem::remove(file);  // kept for tests/referee/onnx_roundtrip.py
}

INSTANTIATE_TEST_SUITE_P(All, WrittenModel,
                         testing::Values("cifar10/resnet20_cifar10.onnx", "cifar10/resnet32_cifar10.onnx", "onnx/mobilenet_v2.onnx",
                                         "onnx/squeezenet1_1.onnx", "onnx/mobilenet_v2_ort_qdq.onnx",
                                         "onnx/FastestDet.onnx", "onnx/yunet_n_320_320.onnx",
                                         "lstm/silero_vad/silero_vad_16k_op15.onnx", "lstm/dtln/model_1.onnx",
                                         "lstm/dtln/model_2.onnx",
                                         "lstm/char_lstm/char_lstm.onnx"));

/// y = x + w
Model add_model(Tensor w) {
  Model model;
  Graph& g = model.graph;
  const ValueId x = g.add_value("x", w.dtype()), y = g.add_value("y", w.dtype());
  for (const ValueId id : {x, y}) g.value(id).has_shape = true, g.value(id).shape = w.shape();
  g.value(x).shape[0] = g.value(y).shape[0] = g.symbol("batch");
  g.inputs = {x};
  g.outputs = {y};
  g.add_node("Add", {x, g.add_constant("w", std::move(w))}, {y}, "add");
  return model;
}

TEST(Export, LargeTensorsLieBesideTheModel) {
  Tensor w(DType::f32, {1, 1000});
  for (size_t i = 0; i < 1000; ++i) w.values<float>()[i] = static_cast<float>(i);
  const std::string file = scratch("external.onnx");
  const OnnxWritten written = write_onnx(add_model(w), file, {.opset = {}, .external_above = 100});
  EXPECT_EQ(written.opset, 13);
  EXPECT_EQ(std::filesystem::file_size(file + ".data"), 4000u);
  const Model again = read_onnx(file);
  EXPECT_TRUE(identical(*again.graph.constant(again.graph.nodes[0].inputs[1]), w));
  EXPECT_EQ(again.graph.shape_text(again.graph.value(again.graph.inputs[0]).shape), "[batch,1000]");
}

TEST(Export, NamesAreUniqueAndKeptAtTheInterface) {
  Model model = add_model(Tensor(DType::f32, {1, 2}));
  Graph& g = model.graph;
  g.value(g.nodes[0].inputs[1]).name = "y";  // the constant gives way to the output
  const std::string file = scratch("names.onnx");
  write_onnx(model, file);
  const Model again = read_onnx(file);
  EXPECT_EQ(again.graph.value(again.graph.outputs[0]).name, "y");
  EXPECT_EQ(again.graph.value(again.graph.nodes[0].inputs[1]).name, "y_1");
}

TEST(Export, NodeNamesAreUnique) {
  Model model = add_model(Tensor(DType::f32, {1, 2}));
  Graph& g = model.graph;
  const ValueId z = g.add_value("z", DType::f32), u = g.add_value("u", DType::f32);
  g.add_node("Relu", {g.outputs[0]}, {z}, "add");
  g.add_node("Relu", {z}, {u});
  g.outputs = {u};
  const std::string file = scratch("nodes.onnx");
  write_onnx(model, file);
  const Model again = read_onnx(file);
  EXPECT_EQ(again.graph.nodes[0].name, "add");
  EXPECT_EQ(again.graph.nodes[1].name, "add_1");
  EXPECT_EQ(again.graph.nodes[2].name, "");
}

TEST(Export, WeightsThatBranchesShareAreWrittenOnce) {
  Model model;
  Graph& g = model.graph;
  const ValueId c = g.add_value("c", DType::boolean), x = g.add_value("x", DType::f32), y = g.add_value("y", DType::f32);
  g.inputs = {c, x}, g.outputs = {y};
  Tensor w(DType::f32, {1000});
  w.values<float>()[999] = 7;
  Node& node = g.add_node("If", {c}, {y}, "choice");
  for (const char* op : {"Add", "Mul"}) {
    auto nested = std::make_shared<Graph>(g, nullptr);
    const ValueId out = nested->add_value("out", DType::f32);
    nested->add_node(op, {x, nested->add_constant("w", w.clone())}, {out}, op);
    nested->outputs = {out};
    node.attributes[std::string(op) == "Add" ? "then_branch" : "else_branch"] = nested;
  }
  const std::string file = scratch("shared.onnx");
  EXPECT_LT(write_onnx(model, file).bytes, 5000u);
  const Model again = read_onnx(file);
  ASSERT_EQ(again.graph.nodes.size(), 1u);
  for (const auto& [key, attribute] : again.graph.nodes[0].attributes) {
    const ValueId read = std::get<std::shared_ptr<Graph>>(attribute)->nodes[0].inputs[1];
    ASSERT_NE(again.graph.constant(read), nullptr) << key;
    EXPECT_TRUE(identical(*again.graph.constant(read), w));
  }
}

TEST(Export, OpsetThatCannotHoldANodeIsRefused) {
  Model model = add_model(Tensor(DType::f32, {1, 2}));
  Graph& g = model.graph;
  const ValueId z = g.add_value("z", DType::f32);
  g.add_node("Round", {g.outputs[0]}, {z}, "round");
  g.outputs = {z};
  const std::string file = scratch("refused.onnx");
  try {
    write_onnx(model, file, {.opset = 9});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    EXPECT_EQ(std::string(e.what()), file + ": node 'round' (Round): needs opset 11, asked for 9");
  }
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(Export, FourBitCodesRaiseTheOpset) {
  Model model;
  Graph& g = model.graph;
  const ValueId codes = g.add_constant("codes", Tensor(DType::i4, {3})), s = g.add_constant("s", Tensor::scalar(1.0f));
  const ValueId y = g.add_value("y", DType::f32);
  g.outputs = {y};
  g.add_node("DequantizeLinear", {codes, s}, {y}, "dq");
  const std::string file = scratch("int4.onnx");
  EXPECT_EQ(write_onnx(model, file).opset, 21);
  const Model again = read_onnx(file);
  EXPECT_EQ(again.graph.value(again.graph.nodes[0].inputs[0]).dtype, DType::i4);
  EXPECT_EQ(again.info.ir_version, 10);
}

/// codes -> DQ -> y
Model decoder(DType codes, DType scale, int64_t block) {
  Model model;
  Graph& g = model.graph;
  const ValueId c = g.add_constant("codes", Tensor(codes, {4, 2}));
  const ValueId s = g.add_constant("s", Tensor(scale, block > 0 ? Shape{2, 2} : Shape{}));
  const ValueId y = g.add_value("y", scale);
  g.outputs = {y};
  Node& dq = g.add_node("DequantizeLinear", {c, s}, {y}, "dq");
  if (block > 0) dq.attributes = {{"axis", int64_t{0}}, {"block_size", block}};
  return model;
}

std::string written_with(const Model& model, int opset) {
  const std::string file = scratch("opset.onnx");
  try {
    return str("opset ", write_onnx(model, file, {.opset = opset}).opset);
  } catch (const Error& e) {
    return std::string(e.what()).substr(file.size() + 2);
  }
}

/// x -> Abs -> op(a, a); the type of what lies between is not told.
Model twice(const std::string& op, DType type) {
  Model model;
  Graph& g = model.graph;
  const ValueId x = g.add_value("x", type), a = g.add_value("a"), y = g.add_value("y");
  g.value(x).has_shape = true, g.value(x).shape = {2, 2};
  g.inputs = {x}, g.outputs = {y};
  g.add_node("Abs", {x}, {a});
  g.add_node(op, {a, a}, {y}, "op");
  return model;
}

TEST(Export, TypesThatAnOperatorTookLaterAreRefused) {
  EXPECT_EQ(written_with(twice("Equal", DType::f32), 11), "opset 11");
  EXPECT_EQ(written_with(twice("Equal", DType::f32), 10), "node 'op' (Equal): f32 inputs need opset 11, asked for 10");
  EXPECT_EQ(written_with(twice("Equal", DType::i32), 7), "opset 7");
  EXPECT_EQ(written_with(twice("Max", DType::i64), 11), "node 'op' (Max): i64 inputs need opset 12, asked for 11");
  EXPECT_EQ(written_with(twice("MatMul", DType::i32), 8), "node 'op' (MatMul): i32 inputs need opset 9, asked for 8");
}

TEST(Export, WhatNeedsWhichOpsetIsSaid) {
  const std::string dq = "node 'dq' (DequantizeLinear): ";
  EXPECT_EQ(written_with(decoder(DType::i8, DType::f32, 0), 10), "opset 10");
  EXPECT_EQ(written_with(decoder(DType::i8, DType::f32, 0), 9), dq + "needs opset 10, asked for 9");
  EXPECT_EQ(written_with(decoder(DType::i8, DType::f16, 0), 13), dq + "f16 scales need opset 19, asked for 13");
  EXPECT_EQ(written_with(decoder(DType::u16, DType::f32, 0), 20), dq + "u16 codes need opset 21, asked for 20");
  EXPECT_EQ(written_with(decoder(DType::u16, DType::f32, 0), 21), "opset 21");
  EXPECT_EQ(written_with(decoder(DType::i8, DType::f32, 2), 13), dq + "scales per block need opset 21, asked for 13");
  EXPECT_EQ(written_with(decoder(DType::i4, DType::f32, 0), 13), dq + "i4 tensors need opset 21, asked for 13");
  EXPECT_EQ(written_with(decoder(DType::u2, DType::f32, 0), 24), dq + "u2 tensors need opset 25, asked for 24");
  EXPECT_EQ(written_with(decoder(DType::u2, DType::f32, 0), 25), "opset 25");
}

TEST(Export, SwishIsTwoOperatorsBeforeOpset24) {
  Model model;
  Graph& g = model.graph;
  const ValueId x = g.add_value("x", DType::f32), y = g.add_value("y", DType::f32);
  g.inputs = {x};
  g.outputs = {y};
  g.add_node("Swish", {x}, {y}, "swish").attributes["alpha"] = 1.0f;
  const std::string file = scratch("swish.onnx");
  EXPECT_EQ(write_onnx(model, file).opset, 13);
  const Model again = read_onnx(file);
  ASSERT_EQ(again.graph.nodes.size(), 2u);
  EXPECT_EQ(again.graph.nodes[0].op, "Sigmoid");
  EXPECT_EQ(display_name(again.graph.nodes[1]), "node 'swish' (Mul)");
  EXPECT_EQ(write_onnx(model, file, {.opset = 24}).opset, 24);
  EXPECT_EQ(read_onnx(file).graph.nodes[0].op, "Swish");
}

}  // namespace
}  // namespace bitwright
