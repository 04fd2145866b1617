// Choices by the clock, with a clock of the test's own: which kernel, which layers stay float, and the file that keeps it.
#include "api/measure.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "noise_data.hpp"

namespace bitwright {
namespace {

struct Net {
  Model model = load(BW_SOURCE_DIR "/examples/models/fashion_cnn.onnx");
  NoiseData data{model};
  Recipe recipe;
  Quantized small;
  std::vector<Shape> shapes;
  Net() {
    recipe.samples = 4, recipe.batch = 2;
    small = quantize(model, recipe, data);
    shapes = Program::compile(small.model)->default_shapes();
  }
};

/// 10 microseconds for every step but those whose kernel is named.
StepClock clock_of(std::map<std::string, double> us, std::vector<Shape> shapes, int* programs = nullptr) {
  return [us = std::move(us), shapes = std::move(shapes), programs](const std::shared_ptr<const Program>& program) {
    std::vector<double> times;
    if (programs) ++*programs;
    for (const StepInfo& step : program->steps(shapes)) times.push_back(us.count(step.kernel) ? us.at(step.kernel) : 10);
    return times;
  };
}

std::vector<Tensor> outputs(const Model& model, const CompileOptions& options) {
  const auto program = Program::compile(model, options);
  Run run(program, {.threads = 2});
  std::vector<Tensor> all;
  for (const Tensor& y : run(random_inputs(*program, 1, 3))) all.push_back(y.clone());
  return all;
}

std::set<std::string> kernels_of(const Model& model, const CompileOptions& options, const std::vector<Shape>& shapes) {
  std::set<std::string> names;
  for (const StepInfo& step : Program::compile(model, options)->steps(shapes))
    if (!step.problem.empty()) names.insert(step.kernel);
  return names;
}

class CacheFile : public testing::Test {
 protected:
  std::string folder = testing::TempDir() + "bitwright-kernels", path = folder + "/kernels.json";
  struct Notes : Sink {
    std::vector<std::string> lines;
    void note(std::string_view text) override { lines.emplace_back(text); }
  } notes;
  void SetUp() override { std::filesystem::remove_all(folder); }
  void write(const std::string& text) {
    std::filesystem::create_directories(folder);
    std::ofstream(path) << text;
  }
};

TEST(Measure, TheFastestKernelIsTakenAndTheBitsStay) {
  const Net net;
  if (isa_refuses(Isa::avx512, isa_cap()) && isa_refuses(Isa::avxvnni, isa_cap())) GTEST_SKIP() << "one instruction set: nothing to choose from";
  const StepClock clock = clock_of({{"conv_u8s8_avx2", 1}, {"matmul_u8s8_avx2", 9.9}}, net.shapes);
  std::vector<KernelTime> measured;
  const KernelChoices choices = measure_kernels(net.small.model, {}, net.shapes, clock, &measured);
  CompileOptions options;
  options.kernels = std::make_shared<const KernelChoices>(choices);
  const auto kernels = kernels_of(net.small.model, options, net.shapes);
  EXPECT_TRUE(kernels.count("conv_u8s8_avx2"));
  EXPECT_FALSE(kernels.count("matmul_u8s8_avx2")) << "faster by less than 3 %";
  EXPECT_FALSE(measured.empty());
  const auto usual = outputs(net.small.model, {}), chosen = outputs(net.small.model, options);
  for (size_t i = 0; i < usual.size(); ++i) EXPECT_TRUE(identical(usual[i], chosen[i]));
}

TEST(Measure, WhatIsKnownIsNotMeasuredAgain) {
  const Net net;
  int programs = 0;
  const StepClock clock = clock_of({}, net.shapes, &programs);
  CompileOptions options;
  options.kernels = std::make_shared<const KernelChoices>(measure_kernels(net.small.model, options, net.shapes, clock));
  programs = 0;
  const KernelChoices again = measure_kernels(net.small.model, options, net.shapes, clock);
  EXPECT_EQ(programs, 0);
  EXPECT_EQ(again.fastest, options.kernels->fastest);
}

TEST(Measure, ANameThatNoTableHasIsPassedOver) {
  const Net net;
  const auto usual = kernels_of(net.small.model, {}, net.shapes);
  KernelChoices choices;
  for (const StepInfo& step : Program::compile(net.small.model)->steps(net.shapes)) choices.fastest[step.problem] = "no_such_kernel";
  CompileOptions options;
  options.kernels = std::make_shared<const KernelChoices>(choices);
  EXPECT_EQ(kernels_of(net.small.model, options, net.shapes), usual);
  for (auto& [problem, kernel] : choices.fastest) kernel = "conv_u8s8_packed";  // a reference
  options.kernels = std::make_shared<const KernelChoices>(choices);
  EXPECT_EQ(kernels_of(net.small.model, options, net.shapes), usual);
}

/// The clock of a machine on which integers are slow in convolutions.
StepClock slow_integers(std::vector<Shape> shapes, double conversion) {
  return [shapes = std::move(shapes), conversion](const std::shared_ptr<const Program>& program) {
    std::vector<double> times;
    for (const StepInfo& step : program->steps(shapes)) {
      const bool conv = step.name.find("Conv") != std::string::npos;
      const bool conversion_step = step.kernel.find("quantize") != std::string::npos;
      times.push_back(conversion_step ? conversion : conv && step.integer ? 100 : 20);
    }
    return times;
  };
}

TEST(Measure, ALayerThatIntegersSlowDownStaysFloatInTheFile) {
  const Net net;
  const std::vector<SlowLayer> slow = slow_in_integers(net.small.model, {}, net.shapes, slow_integers(net.shapes, 1));
  ASSERT_FALSE(slow.empty());
  for (const SlowLayer& layer : slow) EXPECT_LT(layer.float_us, layer.integer_us);
  const Recipe recipe = keeping_float(net.recipe, slow);
  const Quantized kept = quantize(net.model, recipe, net.data);
  for (const Decision& decision : kept.decisions)
    for (const SlowLayer& layer : slow) {
      if (decision.name != layer.name) continue;
      EXPECT_FALSE(decision.quantized);
      EXPECT_EQ(decision.why.rfind("measured: integers take ", 0), 0u) << decision.why;
    }
  for (const StepInfo& step : Program::compile(kept.model)->steps(net.shapes))
    EXPECT_FALSE(step.integer && step.name.find("Conv") != std::string::npos) << step.name;
  const Recipe read = recipe_from(to_document(recipe), "recipe");
  EXPECT_EQ(read.rules.overrides.back().why, recipe.rules.overrides.back().why);
}

TEST(Measure, ConversionsCount) {
  const Net net;
  EXPECT_TRUE(slow_in_integers(net.small.model, {}, net.shapes, slow_integers(net.shapes, 1000)).empty());
}

TEST_F(CacheFile, IsReadBackAsItWasWritten) {
  const KernelChoices choices{{{"product 1x2x3 to uint8", "matmul_u8s8_avx2"}, {"a \"quoted\" one", "k"}}};
  write_kernel_choices(path, "a processor", choices, &notes);
  EXPECT_EQ(read_kernel_choices(path, "a processor", &notes).fastest, choices.fastest);
  EXPECT_TRUE(notes.lines.empty());
}

TEST_F(CacheFile, ThatIsNotThereIsNoNews) {
  EXPECT_TRUE(read_kernel_choices(path, "a processor", &notes).fastest.empty());
  EXPECT_TRUE(read_kernel_choices("", "a processor", &notes).fastest.empty());
  EXPECT_TRUE(notes.lines.empty());
}

TEST_F(CacheFile, OfAnotherProcessorIsNotUsed) {
  write_kernel_choices(path, "another", {{{"p", "k"}}}, &notes);
  EXPECT_TRUE(read_kernel_choices(path, "this one", &notes).fastest.empty());
  ASSERT_EQ(notes.lines.size(), 1u);
  EXPECT_EQ(notes.lines[0], "measured kernels are not used: " + path + ": was measured on 'another'");
}

TEST_F(CacheFile, GarbageIsOneNoteAndNoFailure) {
  const std::string good = R"({"version": 1, "processor": "p", "kernels": [{"problem": "x", "kernel": "y"}]})";
  for (const std::string& text : {std::string("\x01\xff nonsense"), std::string("[]"), std::string("{}"), std::string("7"), good.substr(0, 40),
                                  std::string(R"({"version": 2, "processor": "p", "kernels": []})"),
                                  std::string(R"({"version": 1, "processor": "p", "kernels": [3]})"),
                                  std::string(R"({"version": 1, "processor": "p", "kernels": [{"problem": 1}]})")}) {
    write(text);
    notes.lines.clear();
    EXPECT_TRUE(read_kernel_choices(path, "p", &notes).fastest.empty()) << text;
    ASSERT_EQ(notes.lines.size(), 1u) << text;
    EXPECT_EQ(notes.lines[0].find('\n'), std::string::npos);
  }
  write(good);
  EXPECT_EQ(read_kernel_choices(path, "p").fastest.size(), 1u);
}

TEST_F(CacheFile, APlaceThatCannotBeWrittenIsOneNote) {
  write("");
  write_kernel_choices(path + "/below/a/file.json", "p", {{{"p", "k"}}}, &notes);
  EXPECT_EQ(notes.lines.size(), 1u);
  write_kernel_choices("", "p", {}, &notes);
  EXPECT_EQ(notes.lines.back(), "measured kernels are not kept: neither XDG_CACHE_HOME nor HOME is set");
}

}  // namespace
}  // namespace bitwright
