// A network in half precision is quantized, written, read back and run; its inputs and outputs stay in half precision.
#include <gtest/gtest.h>

#include <filesystem>

#include "api/api.hpp"
#include "noise.hpp"

namespace bitwright {
namespace {

constexpr int64_t kRecords = 64, kInputs = 24, kHidden = 32, kClasses = 5;

template <class T>
Tensor half(const Tensor& t) {
  Tensor made(dtype_of<T>, t.shape());
  for (size_t i = 0; i < made.values<T>().size(); ++i) made.values<T>()[i] = T(t.values<float>()[i]);
  return made;
}

template <class T>
Model network() {
  Model model;
  model.info.opsets[""] = 17;
  Graph& g = model.graph;
  const auto value = [&](const char* name, const Shape& shape) {
    const ValueId id = g.add_value(name, dtype_of<T>);
    g.value(id).has_shape = true, g.value(id).shape = shape;
    return id;
  };
  const auto constant = [&](const char* name, const Shape& shape, uint32_t seed) {
    return g.add_constant(name, half<T>(noise(shape, 0.2f, seed)));
  };
  const ValueId x = value("x", {kRecords, kInputs}), h = value("h", {kRecords, kHidden}), r = value("r", {kRecords, kHidden});
  const ValueId s = value("s", {kRecords, kClasses}), y = value("y", {kRecords, kClasses});
  g.add_node("Gemm", {x, constant("w1", {kInputs, kHidden}, 1), constant("b1", {kHidden}, 2)}, {h}, "fc1");
  g.add_node("Relu", {h}, {r}, "relu");
  g.add_node("Gemm", {r, constant("w2", {kHidden, kClasses}, 3), constant("b2", {kClasses}, 4)}, {s}, "fc2");
  g.add_node("Softmax", {s}, {y}, "softmax");
  g.inputs = {x}, g.outputs = {y};
  return model;
}

class Rows : public Dataset {
 public:
  int64_t size() const override { return kRecords; }
  Task task() const override { return Task::none; }
  std::string description() const override { return "rows"; }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch;
    batch.records = static_cast<int64_t>(records.size());
    batch.inputs = {noise({kRecords, kInputs}, 1, 7)};
    return batch;
  }
};

template <class T>
void expect_main_job(Method method, double least_db) {
  const Model model = network<T>();
  Recipe recipe;
  recipe.rules.method = method;
  const Rows data;
  const Quantized small = quantize(model, recipe, method == Method::static_ranges ? &data : nullptr);
  EXPECT_EQ(small.notes.front(), "a network in half precision: computed in float32, its inputs and outputs keep their types");
  const std::string file = (std::filesystem::path(testing::TempDir()) / "bitwright_half.onnx").string();
  EXPECT_EQ(save(small, file).not_run, "");
  const auto program = Program::compile(load(file));
  std::filesystem::remove(file);
  EXPECT_EQ(program->inputs()[0].dtype, dtype_of<T>);
  EXPECT_EQ(program->outputs()[0].dtype, dtype_of<T>);
  const auto reference = Program::compile(model, {.target = Target::floating});
  EXPECT_GT(evaluate(program, data, {.reference = reference}).snr_db, least_db);
}

TEST(HalfPrecision, QuantizedInEveryWay) {
  for (const Method method : {Method::static_ranges, Method::dynamic, Method::weight_only}) {
    expect_main_job<Half>(method, 30);
    expect_main_job<BFloat16>(method, 30);
  }
}

// The default recipe keeps results float: also behind the cast to the interface's type.
TEST(HalfPrecision, ResultsStayFloat) {
  const Quantized small = quantize(network<Half>(), Recipe(), Rows());
  for (const Decision& d : small.decisions) EXPECT_EQ(d.quantized, d.op == "Gemm" || d.op == "Relu") << d.name;
  for (const auto& [site, entry] : small.model.quantization.at)
    EXPECT_TRUE(site.node == kGraphInput || site.side == Side::input || small.model.graph.find_node(site.node)->op != "Softmax");
}

}  // namespace
}  // namespace bitwright
