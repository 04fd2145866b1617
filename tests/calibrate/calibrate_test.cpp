#include "calibrate/calibrate.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "calibrate/apart.hpp"
#include "calibrate/nets.hpp"
#include "quant/presets.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

using testing::Net;
using testing::random_tensor;
using testing::residual_net;

Rules rules_with(const std::string& observer) {
  Rules rules;
  const Preset& preset = preset_named("bitwright");
  rules.activation = preset.activation;
  rules.weight = preset.weight;
  rules.observer = observer;
  return rules;
}

// Batches of different sizes with values that grow, so that order and merging matter.
Batches test_batches(int64_t count) {
  return {count, [](int64_t i) {
            return std::vector<Tensor>{random_tensor({1 + i % 3, 3, 6, 6}, static_cast<uint32_t>(40 + i),
                                                     0.5f + 0.1f * static_cast<float>(i))};
          }};
}

void expect_same(const Model& a, const Model& b) {
  ASSERT_EQ(a.quantization.at.size(), b.quantization.at.size());
  for (const auto& [site, entry] : a.quantization.at) {
    const Entry* other = b.quantization.find(site);
    ASSERT_NE(other, nullptr);
    ASSERT_EQ(entry.chain.size(), other->chain.size());
    for (size_t k = 0; k < entry.chain.size(); ++k) EXPECT_TRUE(same_grid(entry.chain[k], other->chain[k]));
    EXPECT_TRUE(identical(entry.codes, other->codes));
  }
}

TEST(Calibrate, SameTableForAnyNumberOfThreads) {
  for (const Observer* observer : observers()) {
    if (observer->name == "channel_minmax") continue;
    const Rules rules = rules_with(std::string(observer->name));
    const Model one = calibrate(place(residual_net().model, rules), test_batches(21), {.threads = 1});
    for (const int threads : {2, 3}) {
      SCOPED_TRACE(std::string(observer->name) + str(" ", threads));
      expect_same(one, calibrate(place(residual_net().model, rules), test_batches(21), {.threads = threads}));
    }
  }
}

// Activations, weights or both in a 16-bit float: rounded, multiplied in float, biases as they are.
TEST(Calibrate, SixteenBitFloats) {
  const Tensor x = random_tensor({2, 3, 6, 6}, 77, 0.5f);
  auto run = [&](const Model& model, Target target) {
    bitwright::Run runner(Program::compile(model, {.target = target}));
    return runner({x})[0].clone();
  };
  for (const char* format : {"fp16", "bf16"})
    for (const bool activations : {true, false})
      for (const bool weights : {true, false}) {
        if (!activations && !weights) continue;
        Rules rules = rules_with("minmax");
        if (activations) rules.activation.format = &format_named(format);
        if (weights) rules.weight.format = &format_named(format);
        const Model model = calibrate(place(residual_net().model, rules), test_batches(3), {});
        const Tensor real = run(model, Target::floating), y = run(model, Target::integer);
        EXPECT_TRUE(identical(y, run(model, Target::simulated)));
        EXPECT_FALSE(identical(y, real));
        const bool all = activations && weights;
        for (size_t i = 0; i < static_cast<size_t>(y.elements()); ++i)
          ASSERT_NEAR(y.values<float>()[i], real.values<float>()[i], all ? 0.02f : 0.1f) << format << activations << weights;
      }
}

TEST(Calibrate, MinMaxDoesNotDependOnTheCutIntoBatches) {
  const Tensor all = random_tensor({12, 3, 6, 6}, 9);
  const auto cut = [&](int64_t size) {
    return Batches{12 / size, [&all, size](int64_t i) {
                     const auto values = all.values<float>().subspan(static_cast<size_t>(i * size * 108), static_cast<size_t>(size * 108));
                     return std::vector<Tensor>{Tensor::of<float>({size, 3, 6, 6}, values)};
                   }};
  };
  const Rules rules = rules_with("minmax");
  const Model whole = calibrate(place(residual_net().model, rules), cut(12), {});
  expect_same(whole, calibrate(place(residual_net().model, rules), cut(1), {}));
  expect_same(whole, calibrate(place(residual_net().model, rules), cut(4), {}));
}

// Images of which two fit into the caches: a batch of five is run as two, two and one, on one thread or on several.
TEST(Calibrate, SameTableWhetherABatchIsRunAsAWholeOrInParts) {
  const auto net = [](int64_t batch) {
    Net made = residual_net();
    made.g.value(made.g.inputs[0]).shape = {batch, 3, 256, 300};
    return made.model;
  };
  const Batches batches = {2, [](int64_t i) { return std::vector<Tensor>{random_tensor({5, 3, 256, 300}, static_cast<uint32_t>(i), 0.5f + static_cast<float>(i))}; }};
  ASSERT_EQ(records_together(net(-1).graph, batches.inputs(0), 5), 2);
  ASSERT_EQ(records_together(net(5).graph, batches.inputs(0), 5), 5) << "a network for five records takes no two";
  for (const char* observer : {"auto", "moving_average_minmax", "kth_value"}) {
    const Rules rules = rules_with(observer);
    const Model whole = calibrate(place(net(5), rules), batches, {.threads = 1});
    for (const int threads : {1, 3}) {
      SCOPED_TRACE(str(observer, " ", threads));
      expect_same(whole, calibrate(place(net(-1), rules), batches, {.threads = threads}));
    }
  }
}

TEST(Calibrate, IntegerProgramFollowsTheFloatOne) {
  const Net net = residual_net();
  CalibrationReport report;
  const Model model = calibrate(place(net.model, rules_with("minmax")), test_batches(4), {}, &report);
  EXPECT_EQ(report.batches, 4);
  bitwright::Run exact(Program::compile(net.model, {.target = Target::floating})), codes(Program::compile(model, {}));
  const Tensor x = test_batches(1).inputs(0)[0];
  const Tensor want = exact({x})[0].clone(), got = codes({x})[0].clone();
  double error = 0, power = 0;
  for (size_t i = 0; i < want.values<float>().size(); ++i) {
    const double d = want.values<float>()[i] - got.values<float>()[i];
    error += d * d;
    power += static_cast<double>(want.values<float>()[i]) * want.values<float>()[i];
  }
  EXPECT_GT(10 * std::log10(power / error), 25);
}

TEST(Calibrate, ReportNamesRangeScaleAndZeroPoint) {
  Net net;
  net.output(net.add("Relu", {net.conv(net.input("x", {1, 3, 4, 4}), 3, 4, "conv")}, "relu"));
  Tensor ramp(DType::f32, {1, 3, 4, 4});
  for (size_t i = 0; i < 48; ++i) ramp.values<float>()[i] = static_cast<float>(i) / 47 * 2 - 1;
  CalibrationReport report;
  Rules rules = rules_with("minmax");
  rules.activation = preset_named("fbgemm").activation;
  calibrate(place(net.model, rules), {1, [&](int64_t) { return std::vector<Tensor>{ramp}; }}, {}, &report);
  ASSERT_EQ(report.ranges.size(), 3u);
  const SiteRange& input = report.ranges[0];
  EXPECT_EQ(input.name, "x");
  EXPECT_EQ(input.min, -1);
  EXPECT_EQ(input.max, 1);
  EXPECT_EQ(input.qparams.zero, 64);  // mission A3.18
  EXPECT_FLOAT_EQ(input.qparams.scale, 2.0f / 127);
  EXPECT_EQ(input.values, 48u);
}

TEST(Calibrate, InfinitiesAreCountedAndLeftOut) {
  Tensor x = random_tensor({1, 3, 6, 6}, 3);
  x.values<float>()[5] = INFINITY;
  x.values<float>()[9] = NAN;
  CalibrationReport report;
  calibrate(place(residual_net().model, rules_with("minmax")), {1, [&](int64_t) { return std::vector<Tensor>{x}; }}, {},
            &report);
  EXPECT_EQ(report.ranges[0].dropped, 2u);
  EXPECT_LE(report.ranges[0].max, 1);
}

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Calibrate, Errors) {
  Rules rules = rules_with("minmax");
  EXPECT_EQ(error_of([&] { calibrate(place(residual_net().model, rules), {}, {}); }),
            "static quantization needs calibration data: there are no batches");
  Tensor nothing(DType::f32, {1, 3, 6, 6});
  for (float& v : nothing.values<float>()) v = NAN;
  EXPECT_EQ(error_of([&] {
              calibrate(place(residual_net().model, rules), {1, [&](int64_t) { return std::vector<Tensor>{nothing}; }}, {});
            }),
            "'x' had no finite value in the calibration data (108 were infinite or NaN)");
  Net net = residual_net();
  for (const Node& node : net.model.graph.nodes)
    if (node.name == "conv2") net.model.graph.value(node.inputs[1]).constant.values<float>()[3] = NAN;
  EXPECT_EQ(error_of([&] { calibrate(place(net.model, rules), test_batches(1), {}); }),
            "node 'conv2' (Conv): its weights 'conv2.w' hold infinite values or NaN, which no scale can hold; mend them or exclude the node");
}

TEST(Calibrate, BiasOfADeadChannelFitsItsIntegers) {
  Net net = residual_net();
  for (const Node& node : net.model.graph.nodes)
    if (node.name == "conv1") {
      auto weights = net.model.graph.value(node.inputs[1]).constant.values<float>();
      std::fill(weights.begin(), weights.begin() + 27, 0.0f);
      net.model.graph.value(node.inputs[2]).constant.values<float>()[0] = 3.0f;
    }
  Rules rules = rules_with("minmax");
  rules.weight.rule = QParamRule::pytorch;  // a scale of 2^-23 for a channel of zeros
  const Model model = calibrate(place(net.model, rules), test_batches(2), {});
  const Entry* bias = model.quantization.find({net.node("conv1"), Side::input, 2});
  ASSERT_NE(bias, nullptr);
  EXPECT_NEAR(dequantize(bias->codes, bias->chain[0]).values<float>()[0], 3.0f, 1e-4);
}

TEST(Calibrate, CancelsThroughTheSink) {
  struct Stop : Sink {
    bool cancelled() override { return true; }
  } stop;
  EXPECT_EQ(error_of([&] { calibrate(place(residual_net().model, rules_with("minmax")), test_batches(2), {.sink = &stop}); }),
            "calibrating was stopped");
}

TEST(Calibrate, WeightOnlyNeedsNoData) {
  Rules rules = rules_with("minmax");
  rules.method = Method::weight_only;
  const Model model = calibrate(place(residual_net().model, rules), {}, {});
  EXPECT_EQ(model.quantization.at.size(), 3u);
  for (const auto& [site, entry] : model.quantization.at) EXPECT_EQ(entry.codes.dtype(), DType::i8);
}

}  // namespace
}  // namespace bitwright
