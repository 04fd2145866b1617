// The three targets of one compiler on a small network: integer and simulated give the same numbers, and stay within a
// step of the float network's.
#include <gtest/gtest.h>

#include "small.hpp"

namespace bitwright {
namespace {

class Targets : public testing::TestWithParam<const char*> {};

TEST_P(Targets, IntegerEqualsSimulatedBitForBit) {
  Small small(GetParam());
  const Tensor x = small.noise({5, 3, 9, 8}, 1.0f);
  const Tensor simulated = small.run(Target::simulated, x);
  for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avx512, Isa::avx512vbmi})
    for (const int threads : {1, 2, 3})
      EXPECT_TRUE(identical(simulated, small.run(Target::integer, x, threads, isa)))
          << name_of(isa) << ", " << threads << " threads";
}

TEST_P(Targets, BatchesDoNotMatter) {
  Small small(GetParam());
  const Tensor x = small.noise({3, 3, 9, 8}, 1.0f);
  const Tensor all = small.run(Target::integer, x);
  for (int64_t i = 0; i < 3; ++i) {
    const Tensor one = Tensor::view(DType::f32, {1, 3, 9, 8}, x.values<float>().data() + i * 3 * 9 * 8);
    const Tensor y = small.run(Target::integer, one);
    for (size_t k = 0; k < 10; ++k) EXPECT_EQ(y.values<float>()[k], all.values<float>()[static_cast<size_t>(i) * 10 + k]);
  }
}

TEST_P(Targets, IntegerStaysNearFloat) {
  Small small(GetParam());
  Tensor x = small.noise({5, 3, 9, 8}, 1.0f);
  for (float& v : x.values<float>()) v = std::min(std::max(v, -3.0f), 3.0f);  // the input's range
  const Tensor exact = small.run(Target::floating, x), y = small.run(Target::integer, x);
  double signal = 0, noise = 0;
  for (size_t i = 0; i < 50; ++i) {
    signal += std::pow(exact.values<float>()[i], 2);
    noise += std::pow(exact.values<float>()[i] - y.values<float>()[i], 2);
  }
  // 8-bit weights (and activations) leave about 35 dB here, 4-bit activations about 15.
  EXPECT_GT(10 * std::log10(signal / noise), format_named(GetParam()).bits == 4 ? 10 : 28);
}

INSTANTIATE_TEST_SUITE_P(Formats, Targets, testing::Values("uint8", "int8", "uint4", "int16"));

TEST(Program, EveryLinearStepIsIntegerAndCertified) {
  Small small("uint8");
  const auto program = Program::compile(small.model);
  const std::vector<Shape> shapes = {{1, 3, 9, 8}};
  int linear = 0;
  for (const StepInfo& step : program->steps(shapes))
    if (step.macs > 0) {
      ++linear;
      EXPECT_TRUE(step.integer) << step.name;
      ASSERT_FALSE(step.notes.empty());
      EXPECT_NE(step.notes.back().find("profile ort"), std::string::npos) << step.notes.back();
    }
  EXPECT_EQ(linear, 4);
}

// r1 has two readers and keeps signed codes there, the other values become unsigned: so the three convolutions around r1 are
// not fused, addition, pooling and Gemm are.
TEST(Program, OnnxRuntimeLeavesInFloatWhatHasTwoTypes) {
  Small small("int8");
  const Tensor x = small.noise({2, 3, 9, 8}, 1.0f);
  const Tensor y = small.run(Target::onnxruntime, x);
  for (const Isa isa : {Isa::ref, Isa::avx2})
    for (const int threads : {1, 3})
      EXPECT_TRUE(identical(y, small.run(Target::onnxruntime, x, threads, isa))) << name_of(isa) << ", " << threads;
  std::string in_float;
  for (const StepInfo& step : Program::compile(small.model, {.target = Target::onnxruntime})->steps(std::vector<Shape>{x.shape()}))
    for (const std::string& note : step.notes)
      if (note.find("ONNX Runtime") != std::string::npos) in_float += step.name + ": " + note + "\n";
  EXPECT_EQ(in_float,
            "node 'c1' (Conv): ONNX Runtime does not fuse it: u8 in, i8 out\n"
            "node 'c2' (Conv): ONNX Runtime does not fuse it: i8 in, u8 out\n"
            "node 'c3' (Conv): ONNX Runtime does not fuse it: i8 in, u8 out\n");
}

TEST(Program, OnnxRuntimeFusesUnsignedActivations) {
  Small small("uint8");
  const Tensor x = small.noise({2, 3, 9, 8}, 1.0f);
  EXPECT_TRUE(identical(small.run(Target::onnxruntime, x), small.run(Target::integer, x)));
}

TEST(Program, AnInputThatIsAnOutputComesBackAsItCame) {
  Small small("uint8");
  small.model.graph.outputs.push_back(small.model.graph.inputs[0]);
  const Tensor x = small.noise({2, 3, 9, 8}, 1.0f);
  for (const Target target : {Target::floating, Target::simulated, Target::integer, Target::onnxruntime}) {
    bitwright::Run run(Program::compile(small.model, {.target = target}));
    EXPECT_TRUE(identical(run({x})[1], x)) << name_of(target);
  }
}

TEST(Program, WrongInputsAreNamed) {
  Small small("uint8");
  const auto program = Program::compile(small.model);
  bitwright::Run run(program);
  try {
    run({Tensor(DType::f32, {1, 3, 9, 9})});
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "input 'x' has shape [1,3,9,9], the network takes [N,3,9,8]");
  }
}

}  // namespace
}  // namespace bitwright
