// Dynamic quantization against its definition: DynamicQuantizeLinear, MatMulInteger or ConvInteger, Cast, Mul, Add, written
// out.
#include <gtest/gtest.h>

#include <random>

#include "noise.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

constexpr int64_t kRows = 7, kDepth = 45, kCols = 19;

struct Dynamic {
  Model model;
  Tensor x{DType::f32, {kRows, kDepth}}, bias{DType::f32, {kCols}};
  Tensor codes{DType::i8, {kCols, kDepth}};
  std::vector<float> scales = std::vector<float>(kCols);

  explicit Dynamic(bool per_row) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    std::uniform_int_distribution<int> code(-128, 127);
    for (float& v : x.values<float>()) v = normal(random);
    for (float& v : bias.values<float>()) v = normal(random);
    for (int8_t& v : codes.values<int8_t>()) v = static_cast<int8_t>(code(random));
    for (float& v : scales) v = 0.001f + std::abs(normal(random)) / 100;
    Graph& g = model.graph;
    const ValueId in = g.add_value("x", DType::f32), out = g.add_value("y");
    const Grid grid = channel_grid(format_named("int8"), 0, scales);
    const ValueId w = g.add_constant("w", dequantize(codes, grid)), b = g.add_constant("b", bias);
    Node& gemm = g.add_node("Gemm", {in, w, b}, {out}, "gemm");
    gemm.attributes["transB"] = int64_t{1};
    g.inputs = {in}, g.outputs = {out};
    Entry& weights = model.quantization.at[{gemm.id, Side::input, 1}];
    weights.chain = {grid}, weights.codes = codes;
    Entry& activations = model.quantization.at[{gemm.id, Side::input, 0}];
    activations.when = When::at_run, activations.per_row = per_row;
  }

  /// Row r of the result by the operators' definitions, the range taken over [begin, end) of x.
  void expect_row(int64_t r, size_t begin, size_t end, std::span<const float> y) const {
    float lo = 0, hi = 0;
    for (size_t i = begin; i < end; ++i) lo = std::min(lo, x.values<float>()[i]), hi = std::max(hi, x.values<float>()[i]);
    const float scale = (hi - lo) / 255, zero = std::nearbyint(-lo / scale);
    for (int64_t c = 0; c < kCols; ++c) {
      int64_t acc = 0;
      for (int64_t k = 0; k < kDepth; ++k) {
        const float v = x.values<float>()[static_cast<size_t>(r * kDepth + k)];
        const auto q = static_cast<int64_t>(std::min(std::max(std::nearbyint(v / scale) + zero, 0.0f), 255.0f) - zero);
        acc += q * codes.values<int8_t>()[static_cast<size_t>(c * kDepth + k)];
      }
      const auto at = static_cast<size_t>(c);
      const float expected = static_cast<float>(acc) * (scale * scales[at]) + bias.values<float>()[at];
      EXPECT_EQ(y[static_cast<size_t>(r * kCols + c)], expected) << r << "," << c;
    }
  }
};

TEST(DynamicMatMul, EqualsTheOperatorsOnEveryInstructionSet) {
  for (const bool per_row : {false, true})
    for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vbmi}) {
      const Dynamic d(per_row);
      bitwright::Run run(Program::compile(d.model, {.isa = isa}), {.threads = 2});
      const Tensor y = run({d.x})[0];
      for (int64_t r = 0; r < kRows; ++r) {
        const auto begin = static_cast<size_t>(per_row ? r * kDepth : 0);
        const auto end = static_cast<size_t>(per_row ? (r + 1) * kDepth : kRows * kDepth);
        d.expect_row(r, begin, end, y.values<float>());
      }
    }
}

TEST(DynamicMatMul, AllZeroInputGivesTheBias) {
  Dynamic d(false);
  for (float& v : d.x.values<float>()) v = 0;
  bitwright::Run run(Program::compile(d.model));
  const Tensor y = run({d.x})[0];
  for (size_t i = 0; i < static_cast<size_t>(y.elements()); ++i)
    EXPECT_EQ(y.values<float>()[i], d.bias.values<float>()[i % kCols]);
}

struct DynamicConv {
  Model model;
  Tensor x, bias, codes;
  std::vector<float> scales;
  int64_t stride;

  /// Padding 1 on all sides.
  DynamicConv(Shape input, Shape weights, int64_t group, int64_t step)
      : x(DType::f32, input), bias(DType::f32, {weights[0]}), codes(DType::i8, weights), stride(step) {
    std::mt19937 random(13);
    std::normal_distribution<float> normal(0.3f);
    std::uniform_int_distribution<int> code(-128, 127);
    for (float& v : x.values<float>()) v = normal(random);
    for (float& v : bias.values<float>()) v = normal(random);
    for (int8_t& v : codes.values<int8_t>()) v = static_cast<int8_t>(code(random));
    for (int64_t c = 0; c < weights[0]; ++c) scales.push_back(0.001f + std::abs(normal(random)) / 100);
    Graph& g = model.graph;
    const ValueId in = g.add_value("x", DType::f32), out = g.add_value("y");
    const Grid grid = channel_grid(format_named("int8"), 0, scales);
    const ValueId w = g.add_constant("w", dequantize(codes, grid)), b = g.add_constant("b", bias);
    Node& conv = g.add_node("Conv", {in, w, b}, {out}, "conv");
    const size_t spatial = input.size() - 2;
    conv.attributes["pads"] = std::vector<int64_t>(2 * spatial, 1);
    conv.attributes["strides"] = std::vector<int64_t>(spatial, step);
    conv.attributes["group"] = group;
    g.inputs = {in}, g.outputs = {out};
    Entry& quantized = model.quantization.at[{conv.id, Side::input, 1}];
    quantized.chain = {grid}, quantized.codes = codes;
    model.quantization.at[{conv.id, Side::input, 0}].when = When::at_run;
  }

  /// Element [n, oc, i] of a 1-D convolution by the definition.
  float expected(int64_t n, int64_t oc, int64_t i) const {
    float lo = 0, hi = 0;
    for (const float v : x.values<float>()) lo = std::min(lo, v), hi = std::max(hi, v);
    const float scale = (hi - lo) / 255, zero = std::nearbyint(-lo / scale);
    int64_t acc = 0;
    for (int64_t c = 0; c < x.dim(1); ++c)
      for (int64_t k = 0; k < codes.dim(2); ++k) {
        const int64_t at = i * stride + k - 1;
        if (at < 0 || at >= x.dim(2)) continue;
        const float v = x.values<float>()[static_cast<size_t>((n * x.dim(1) + c) * x.dim(2) + at)];
        const auto q = static_cast<int64_t>(std::min(std::max(std::nearbyint(v / scale) + zero, 0.0f), 255.0f) - zero);
        acc += q * codes.values<int8_t>()[static_cast<size_t>((oc * x.dim(1) + c) * codes.dim(2) + k)];
      }
    return static_cast<float>(acc) * (scale * scales[static_cast<size_t>(oc)]) + bias.values<float>()[static_cast<size_t>(oc)];
  }
  Tensor run(CompileOptions options) const {
    const auto program = Program::compile(model, options);
    bool integer = false;
    for (const StepInfo& step : program->steps(std::vector<Shape>{x.shape()})) integer = integer || step.integer;
    EXPECT_TRUE(integer);
    bitwright::Run runner(program, {.threads = 2});
    return runner({x})[0].clone();
  }
};

TEST(DynamicConv, EqualsTheOperatorsInOneDimension) {
  const DynamicConv d({2, 5, 11}, {7, 5, 3}, 1, 2);
  const Tensor y = d.run({});
  ASSERT_EQ(y.shape(), (Shape{2, 7, 6}));
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t c = 0; c < 7; ++c)
      for (int64_t i = 0; i < 6; ++i)
        EXPECT_EQ(y.values<float>()[static_cast<size_t>((n * 7 + c) * 6 + i)], d.expected(n, c, i)) << n << "," << c << "," << i;
}

TEST(DynamicConv, AllInstructionSetsAndTheSimulationAgree) {
  const DynamicConv cases[] = {DynamicConv({2, 16, 9, 8}, {20, 16, 3, 3}, 1, 1), DynamicConv({1, 12, 7, 7}, {12, 1, 3, 3}, 12, 2),
                               DynamicConv({1, 12, 7, 7}, {24, 3, 3, 3}, 4, 1), DynamicConv({3, 4, 20}, {6, 4, 3}, 1, 1)};
  for (const DynamicConv& d : cases) {
    const Tensor wanted = d.run({.target = Target::simulated});
    for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vbmi}) EXPECT_TRUE(identical(d.run({.isa = isa}), wanted)) << name_of(isa);
  }
}

/// x and constant weights under one operator, x quantized at run time; and the same spelled with nodes, for the float target.
struct Fallback {
  std::string name, op;
  Shape x, w;
  bool per_row = false;
  bool hidden_shape = false;  // x goes through Compress, which tells its result's shape at run time only
  std::string attribute = {};

  Model model(bool spelled) const {
    Model made;
    Graph& g = made.graph;
    const ValueId in = g.add_value("x", DType::f32), y = g.add_value("y");
    g.inputs = {in}, g.outputs = {y};
    ValueId data = in;
    if (hidden_shape) {
      const ValueId keep = g.add_value("keep", DType::boolean);
      g.inputs.push_back(keep);
      data = g.add_value("some");
      g.add_node("Compress", {in, keep}, {data}, "compress").attributes["axis"] = int64_t{0};
    }
    if (spelled) data = spell(g, data);
    const Tensor weights = noise(w, 0.3f, 21);
    const Grid grid = tensor_grid(format_named("int8"), 0.01f);
    const Tensor codes = quantize(weights, grid);
    const ValueId constant = g.add_constant("w", dequantize(codes, grid));
    Node& node = g.add_node(op, {data, constant}, {y}, "node");
    if (!attribute.empty()) node.attributes[attribute] = int64_t{1};
    if (spelled) return made;
    Entry& entry = made.quantization.at[{node.id, Side::input, 1}];
    entry.chain = {grid}, entry.codes = codes;
    Entry& activations = made.quantization.at[{node.id, Side::input, 0}];
    activations.when = When::at_run, activations.per_row = per_row;
    return made;
  }

  /// DynamicQuantizeLinear and DequantizeLinear for the tensor, or for each row cut out of it.
  ValueId spell(Graph& g, ValueId data) const {
    if (!per_row) return pair(g, data, "all");
    const int64_t rows = elements_of(x) / x.back();
    const ValueId matrix = g.add_value("matrix"), joined = g.add_value("joined"), result = g.add_value("rounded");
    g.add_node("Reshape", {data, g.add_constant("flat", Tensor::of<int64_t>({2}, std::vector<int64_t>{rows, x.back()}))}, {matrix}, "to rows");
    std::vector<ValueId> parts;
    for (int64_t r = 0; r < rows; ++r) {
      const ValueId row = g.add_value(str("row", r));
      g.add_node("Slice", {matrix, g.add_constant("from", Tensor::of<int64_t>({1}, std::vector<int64_t>{r})), g.add_constant("to", Tensor::of<int64_t>({1}, std::vector<int64_t>{r + 1}))},
                 {row}, str("slice", r));
      parts.push_back(pair(g, row, str(r)));
    }
    g.add_node("Concat", parts, {joined}, "concat").attributes["axis"] = int64_t{0};
    g.add_node("Reshape", {joined, g.add_constant("shape", Tensor::of<int64_t>({std::ssize(x)}, x))}, {result}, "back");
    return result;
  }
  static ValueId pair(Graph& g, ValueId value, const std::string& name) {
    const ValueId codes = g.add_value("q" + name), scale = g.add_value("s" + name), zero = g.add_value("z" + name);
    const ValueId real = g.add_value("d" + name);
    g.add_node("DynamicQuantizeLinear", {value}, {codes, scale, zero}, "dynamic" + name);
    g.add_node("DequantizeLinear", {codes, scale, zero}, {real}, "dequantize" + name);
    return real;
  }
};

// An operator that no kernel multiplies on codes still computes with activations on the grid of the run.
TEST(DynamicFallback, EqualsTheNodesThatSpellIt) {
  const Fallback cases[] = {
      {"conv 3-D", "Conv", {2, 3, 5, 6, 4}, {4, 3, 2, 2, 2}},
      {"a stack of matrices", "MatMul", {3, 4, 16}, {3, 16, 5}},
      {"a stack of matrices by row", "MatMul", {3, 4, 16}, {3, 16, 5}, true},
      {"a stack of one", "MatMul", {4, 16}, {1, 16, 5}},
      {"a vector", "MatMul", {4, 16}, {16}},
      {"a row", "MatMul", {16}, {16, 5}},
      {"transposed", "Gemm", {16, 4}, {16, 5}, false, false, "transA"},
      {"shape of the run", "MatMul", {6, 16}, {16, 5}, false, true},
      {"convolution of the run", "Conv", {3, 2, 5, 5}, {4, 2, 3, 3}, false, true},
  };
  for (const Fallback& c : cases) {
    const Tensor x = noise(c.x, 1, 31);
    std::vector<Tensor> inputs = {x};
    if (c.hidden_shape) {
      Tensor keep(DType::boolean, {c.x[0]});
      std::fill_n(reinterpret_cast<uint8_t*>(keep.raw()), c.x[0], uint8_t{1});
      reinterpret_cast<uint8_t*>(keep.raw())[0] = 0;
      inputs.push_back(keep);
    }
    bitwright::Run spelled(Program::compile(c.model(true), {.target = Target::floating}));
    const Tensor wanted = spelled(inputs)[0].clone();
    for (const Target target : {Target::simulated, Target::integer}) {
      bitwright::Run run(Program::compile(c.model(false), {.target = target}), {.threads = 2});
      const Tensor y = run(inputs)[0];
      ASSERT_EQ(y.shape(), wanted.shape()) << c.name;
      for (size_t i = 0; i < static_cast<size_t>(y.elements()); ++i)
        ASSERT_NEAR(y.values<float>()[i], wanted.values<float>()[i], 1e-5) << c.name << " at " << i;
    }
  }
}

}  // namespace
}  // namespace bitwright
