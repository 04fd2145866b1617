#include "calibrate/place.hpp"

#include <gtest/gtest.h>

#include "calibrate/nets.hpp"
#include "graph/text.hpp"
#include "quant/presets.hpp"

namespace bitwright {
namespace {

using testing::Net;
using testing::residual_net;

Rules default_rules() {
  Rules rules;
  const Preset& preset = preset_named("bitwright");
  rules.activation = preset.activation;
  rules.weight = preset.weight;
  return rules;
}

// "conv1.in1 conv1.in2* relu1.out0": every entry, biases with a star, tied ones with =group.
std::string entries(const Placement& placement) {
  std::string text;
  const Graph& graph = placement.model.graph;
  for (const auto& [site, entry] : placement.model.quantization.at) {
    if (!text.empty()) text += " ";
    const Node* node = graph.find_node(site.node);
    text += site.node == kGraphInput ? "input" : node->name;
    text += str(site.side == Side::input ? ".in" : site.side == Side::output ? ".out" : ".inner", int{site.index});
    if (entry.when == When::derived) text += "*";
    if (entry.when == When::at_run) text += "!";
    if (entry.tied) text += str("=", entry.tied);
  }
  return text;
}

std::string why(const Placement& placement, std::string_view name) {
  for (const Decision& d : placement.decisions)
    if (d.name == name) return (d.quantized ? "+" : "-") + d.why;
  return "no such node";
}

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Place, ResidualNetAbsorbsBothRelus) {
  const Placement p = place(residual_net().model, default_rules());
  EXPECT_EQ(entries(p),
            "input.out0 conv1.in1 conv1.in2* relu1.out0 conv2.out0 conv2.in1 conv2.in2* relu2.out0 conv3.out0 conv3.in1 "
            "conv3.in2*");
  EXPECT_EQ(why(p, "relu1"), "+absorbed into conv1");
  EXPECT_EQ(why(p, "relu2"), "+absorbed into add");
  EXPECT_EQ(why(p, "conv1"), "+int8 weights, integer accumulators");
}

TEST(Place, WithoutFusionGridsBeforeAndAfterTheReluAreOne) {
  Rules rules = default_rules();
  rules.fuse = false;
  Net net;
  net.output(net.add("Relu", {net.conv(net.input("x", {1, 3, 4, 4}), 3, 4, "conv")}, "relu"));
  const Placement p = place(net.model, rules);
  EXPECT_EQ(entries(p), "input.out0 conv.out0=1 conv.in1 conv.in2* relu.out0=1");
}

TEST(Place, ConcatTiesAllInputsAndTheOutput) {
  Net net;
  const ValueId x = net.input("x", {1, 3, 4, 4});
  const ValueId a = net.add("Relu", {net.conv(x, 3, 4, "a")}, "ra"), b = net.conv(x, 3, 4, "b", 2);
  const ValueId y = net.add("MaxPool", {net.add("Concat", {a, b}, "cat")}, "pool");
  net.g.nodes.back().attributes["kernel_shape"] = std::vector<int64_t>{2, 2};
  net.output(y);
  EXPECT_EQ(entries(place(net.model, default_rules())),
            "input.out0 a.in1 a.in2* ra.out0=1 b.out0=1 b.in1 b.in2* cat.out0=1 pool.out0=1");
}

TEST(Place, ALinearResultReadTwiceKeepsItsGridBesideTheRelu) {
  Net net;
  const ValueId c = net.conv(net.input("x", {1, 3, 4, 4}), 3, 4, "conv");
  net.output(net.add("Relu", {c}, "relu"));
  net.output(net.add("Add", {c, c}, "twice"));
  EXPECT_EQ(entries(place(net.model, default_rules())),
            "input.out0 conv.out0 conv.in1 conv.in2* relu.out0 twice.out0");
}

TEST(Place, ConstantsOfElementwiseOperatorsBecomeCodes) {
  Net net;
  const ValueId c = net.conv(net.input("x", {1, 3, 4, 4}), 3, 4, "conv");
  net.output(net.add("Mul", {c, net.g.add_constant("half", Tensor::scalar(0.5f))}, "mul"));
  const Placement p = place(net.model, default_rules());
  EXPECT_EQ(entries(p), "input.out0 conv.out0 conv.in1 conv.in2* mul.out0 mul.in1");
  EXPECT_EQ(p.wishes.at({net.node("mul"), Side::input, 1}).fixed_max, 0.5f);
}

TEST(Place, ABiasBehindAProductOfThreeAxesGetsNoGridOfItsOwn) {
  const auto placed = [](const std::string& bias, const std::string& rest, bool fuse = true) {
    Rules rules = default_rules();
    rules.fuse = fuse;
    return place(parse_model("graph \"g\" {\n input x: f32[1,3,2]\n const w: f32[2,2] = {1, 2, -3, 4}\n const b: f32" + bias +
                             "\n m: f32[1,3,2] = MatMul(x, w) @\"mm\"\n a: f32[1,3,2] = Add(b, m) @\"add\"\n" + rest + " output y\n}"),
                 rules);
  };
  const std::string relu = " y: f32[1,3,2] = Relu(a) @\"relu\"\n", both = " y: f32[1,3,2] = Mul(a, m) @\"mul\"\n";
  const Placement p = placed("[2] = {1, -1}", relu);
  EXPECT_EQ(entries(p), "input.out0 mm.in1 relu.out0");
  EXPECT_EQ(why(p, "add"), "+the bias of mm");
  EXPECT_EQ(why(p, "relu"), "+absorbed into add");
  EXPECT_EQ(entries(placed("[1,1,2] = {1, -1}", relu)), "input.out0 mm.in1 relu.out0");
  EXPECT_EQ(entries(placed("[1,3,1] = {1, -1, 2}", relu)), "input.out0 mm.out0 mm.in1 add.in0 relu.out0") << "no number per column";
  EXPECT_EQ(entries(placed("[2] = {1, -1}", both)), "input.out0 mm.out0 mm.in1 add.out0 add.in0 mul.out0") << "read twice";
  EXPECT_EQ(entries(placed("[2] = {1, -1}", relu, false)),
            "input.out0 mm.out0 mm.in1 add.out0=1 add.in0 relu.out0=1");
}

TEST(Place, FloatResultsWhenTheRecipeWantsThem) {
  Rules rules = default_rules();
  rules.quantize_outputs = false;
  EXPECT_EQ(entries(place(residual_net().model, rules)),
            "input.out0 conv1.in1 conv1.in2* relu1.out0 conv2.out0 conv2.in1 conv2.in2* relu2.out0 conv3.in1 conv3.in2*");
}

TEST(Place, ASoftmaxThatEndsTheNetworkStaysFloatThroughReshapes) {
  Net net;
  const ValueId c = net.conv(net.input("x", {1, 3, 4, 4}), 3, 4, "conv");
  net.output(net.add("Flatten", {net.add("Softmax", {c}, "soft")}, "flat"));
  const Placement p = place(net.model, default_rules());
  EXPECT_EQ(entries(p), "input.out0 conv.out0 conv.in1 conv.in2*");
  EXPECT_EQ(why(p, "soft"), "-it makes the network's result: codes would make ties of near probabilities");
}

TEST(Place, ResultsInAnotherTypeAreResults) {
  Rules rules = default_rules();
  rules.quantize_outputs = false;
  const auto entries_of = [&](const char* op) {
    return entries(place(parse_model(str("graph \"g\" {\n input x: f32[1,2]\n const w: f32[2,2] = {1, 2, -3, 4}\n m: f32[1,2] = Gemm(x, w) @\"fc\"\n"
                                         " s: f32[1,2] = ", op, "(m) @\"op\"\n y: f16[1,2] = Cast(s) to=10 @\"cast\"\n output y\n}")),
                         rules));
  };
  EXPECT_EQ(entries_of("Softmax"), "input.out0 fc.out0 fc.in1");
  EXPECT_EQ(entries_of("Sigmoid"), "input.out0 fc.out0 fc.in1");
  EXPECT_EQ(entries_of("Relu"), "input.out0 fc.in1");
}

TEST(Place, SaysWhatTheEngineDoes) {
  const auto net = [](const char* op) {
    return parse_model(str("graph \"g\" {\n input x: f32[1,2]\n const w: f32[2,2] = {1, 2, -3, 4}\n m: f32[1,2] = Gemm(x, w) @\"fc\"\n"
                           " s: f32[1,2] = ", op, " @\"op\"\n y: f32[1,2] = Gemm(s, w) @\"fc2\"\n output y\n}"));
  };
  const auto said = [&](const char* op, const char* activations) {
    Rules rules = default_rules();
    rules.activation.format = &format_named(activations);
    return why(place(net(op), rules), "op");
  };
  EXPECT_EQ(said("Softmax(m)", "uint8"), "+codes in and out, computed in float, known range");
  EXPECT_EQ(said("Sigmoid(m)", "uint8"), "+a table over codes, known range");
  EXPECT_EQ(said("Sigmoid(m)", "uint16"), "+codes in and out, computed in float, known range");
  EXPECT_EQ(said("Elu(m)", "uint8"), "+a table over codes");
  EXPECT_EQ(said("Add(m, x)", "uint8"), "+computed on codes, own grid");
  EXPECT_EQ(said("Sub(m, x)", "uint8"), "+codes in and out, computed in float, own grid");
  EXPECT_EQ(said("MaxPool(m)", "uint8"), "+codes pass through, same grid");
  EXPECT_EQ(said("Sub(m, x)", "bf16"), "+computed in float, rounded to bf16");
  Rules rules = default_rules();
  rules.activation.format = &format_named("fp16");
  EXPECT_EQ(why(place(net("Elu(m)"), rules), "fc"), "+int8 weights, float products");
}

TEST(Place, KeepsFirstAndLastAndExcludedLayersFloat) {
  Rules rules = default_rules();
  rules.first = Edge::keep_float;
  rules.last = Edge::keep_float;
  const Placement p = place(residual_net().model, rules);
  EXPECT_EQ(entries(p), "relu1.out0 conv2.out0 conv2.in1 conv2.in2* relu2.out0");
  EXPECT_EQ(why(p, "conv1"), "-the recipe keeps the first layer float");
  rules = default_rules();
  rules.exclude = {"conv22"};
  EXPECT_EQ(error_of([&] { place(residual_net().model, rules); }),
            "exclude 'conv22' names no node of the model; did you mean 'conv2'?");
  rules.exclude = {"conv?"};
  EXPECT_EQ(entries(place(residual_net().model, rules)), "");
}

TEST(Place, OverridesByPatternTypeAndBoth) {
  Rules rules = default_rules();
  Scheme four = rules.weight;
  four.format = &format_named("int4");
  rules.overrides = {{"conv*", "", {}, {}, four, ""}, {"", "Add", false, {}, {}, ""}, {"conv3", "Conv", {}, {}, rules.weight, ""}};
  const Net net = residual_net();
  const Placement p = place(net.model, rules);
  EXPECT_EQ(p.wishes.at({net.node("conv2"), Side::input, 1}).scheme.format->name, "int4");
  EXPECT_EQ(p.wishes.at({net.node("conv3"), Side::input, 1}).scheme.format->name, "int8");
  EXPECT_EQ(why(p, "add"), "-kept float by an override of the recipe");
  rules.overrides = {{"", "Gem", {}, {}, four, ""}};
  EXPECT_EQ(error_of([&] { place(net.model, rules); }), "override 'Gem' names no node of the model");
  rules.overrides = {{}};
  EXPECT_EQ(error_of([&] { place(net.model, rules); }), "an override needs 'match' or 'op'");
}

TEST(Place, SymmetricActivationsAreUnsignedAfterRelu) {
  Rules rules = default_rules();
  rules.activation.format = &format_named("int8");
  rules.activation.symmetry = Symmetry::symmetric;
  const Net net = residual_net();
  const Placement p = place(net.model, rules);
  EXPECT_EQ(p.wishes.at({net.node("relu1"), Side::output, 0}).scheme.format->name, "uint8");
  EXPECT_EQ(p.wishes.at({net.node("conv2"), Side::output, 0}).scheme.format->name, "int8");
}

TEST(Place, DynamicTakesProductsAndSaysWhyNotConvolutions) {
  Rules rules = default_rules();
  rules.method = Method::dynamic;
  rules.operators = default_dynamic_operators();
  Net net;
  const ValueId x = net.input("x", {1, 3, 4, 4});
  const ValueId w = net.g.add_constant("w", testing::random_tensor({4, 7}, 5));
  net.output(net.add("MatMul", {net.conv(x, 3, 4, "conv"), w}, "fc"));
  const Placement p = place(net.model, rules);
  EXPECT_EQ(entries(p), "fc.in0! fc.in1");
  EXPECT_EQ(p.wishes.at({net.node("fc"), Side::input, 1}).axis, 1);
  EXPECT_EQ(why(p, "conv"), "-bound by activations: static quantization suits convolutions better, so only when named");
}

TEST(Place, SaysThatAnOverrideOfASharedGridDoesNothing) {
  Net net;
  const ValueId pool = net.add("GlobalMaxPool", {net.conv(net.input("x", {1, 3, 6, 6}), 3, 4, "conv1")}, "pool");
  net.output(net.conv(pool, 4, 5, "conv2"));
  Rules rules = default_rules();
  rules.overrides = {{.match = "pool", .activation = preset_named("fbgemm").weight}};
  EXPECT_EQ(why(place(net.model, rules), "pool"),
            "+codes pass through, same grid; it shares the grid of conv1: the override of its activations does nothing");
  rules.overrides[0].match = "conv1";  // the first of the group has its way
  EXPECT_EQ(why(place(net.model, rules), "pool"), "+codes pass through, same grid");
}

TEST(Place, SaysThatAConvolutionIsNotQuantizedPerRow) {
  Rules rules = default_rules();
  rules.method = Method::dynamic;
  rules.operators = {"Conv"};
  rules.per_row = true;
  Net net;
  net.output(net.conv(net.input("x", {1, 3, 4, 4}), 3, 4, "conv"));
  const Placement p = place(net.model, rules);
  EXPECT_FALSE(p.model.quantization.find({net.node("conv"), Side::input, 0})->per_row);
  EXPECT_EQ(why(p, "conv").rfind("+int8 weights, activations at run time per tensor, not per row: ", 0), 0u) << why(p, "conv");
}

TEST(Place, SaysWhereWeightsAndBiasesStand) {
  const auto said = [](const char* op) {
    const Model net = parse_model(str("graph \"g\" {\n input x: f32[2,2]\n const w: f32[2,2] = {1, 2, -3, 4}\n const b: f32[2,1] = {1, 2}\n"
                                      " y: f32[2,2] = ", op, " @\"op\"\n output y\n}"));
    return why(place(net, default_rules()), "op");
  };
  EXPECT_EQ(said("MatMul(w, x)"), "-its constant is the first operand: weights are the second one");
  EXPECT_EQ(said("Gemm(w, x)"), "-its constant is the first operand: weights are the second one");
  EXPECT_EQ(said("Gemm(x, w, w)"), "-its bias has shape [2,2]: it changes with the row, codes have one per output channel");
  EXPECT_EQ(said("Gemm(x, w, b)"), "-its bias has shape [2,1]: it changes with the row, codes have one per output channel");
}

TEST(Place, TellsLayersOfNestedGraphs) {
  const Model net = parse_model(R"(graph "g" {
  input x: f32[1,2]
  input c: bool[]
  const w: f32[2,2] = {1, 2, -3, 4}
  m: f32[1,2] = MatMul(x, w) @"outside"
  y: f32[1,2] = If(c) else_branch=graph "no" {
    output m
  } then_branch=graph "yes" {
    t: f32[1,2] = MatMul(m, w) @"inside"
    r: f32[1,2] = Relu(t) @"clamp"
    output r
  } @"choice"
  output y
})");
  const Placement p = place(net, default_rules());
  EXPECT_EQ(why(p, "inside"), "-it stands inside of choice (If), where nothing is quantized");
  EXPECT_EQ(why(p, "clamp"), "no such node");
}

TEST(Place, WeightOnlyGroupsLieAlongTheSummedAxis) {
  Rules rules = default_rules();
  rules.method = Method::weight_only;
  rules.weight.format = &format_named("int4");
  rules.weight.granularity = Layout::block;
  rules.weight.block_size = 32;
  Net net;
  const ValueId w = net.g.add_constant("w", testing::random_tensor({64, 7}, 5));
  net.output(net.add("MatMul", {net.input("x", {1, 64}), w}, "fc"));
  const Placement p = place(net.model, rules);
  EXPECT_EQ(entries(p), "fc.in1");
  EXPECT_EQ(p.wishes.at({net.node("fc"), Side::input, 1}).axis, 0);
}

TEST(Glob, StarsAndQuestionMarks) {
  EXPECT_TRUE(glob_match("layer1.*", "layer1.0.conv"));
  EXPECT_TRUE(glob_match("*conv?", "a/conv1"));
  EXPECT_TRUE(glob_match("a*b*c", "aXbYbZc"));
  EXPECT_FALSE(glob_match("conv?", "conv"));
  EXPECT_FALSE(glob_match("*a", "ab"));
  EXPECT_TRUE(glob_match("**", ""));
}

}  // namespace
}  // namespace bitwright
