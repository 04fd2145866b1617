// What is proved of a layer whenever it is compiled: that no sum overflows, and that the fast way to requantize is the profile.
#include <gtest/gtest.h>

#include "noise.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

/// y[1, 8] = x[1, k] * w, weights of the same code, activations u8, all scales odd numbers.
Model product(int64_t k, int8_t code, Profile profile, float out_scale = 0.37f) {
  Model model;
  Graph& g = model.graph;
  const ValueId x = g.add_value("x", DType::f32), y = g.add_value("y");
  g.value(x).has_shape = true, g.value(x).shape = {1, k};
  g.inputs = {x};
  Tensor codes(DType::i8, {k, 8});
  std::fill_n(codes.values<int8_t>().data(), codes.elements(), code);
  const Grid weights = tensor_grid(format_named("int8"), 0.0131f);
  const Node& node = g.add_node("MatMul", {x, g.add_constant("w", dequantize(codes, weights))}, {y}, "product");
  Entry& entry = model.quantization.at[{node.id, Side::input, 1}];
  entry.chain = {weights}, entry.codes = codes;
  model.quantization.at[{kGraphInput, Side::output, 0}].chain = {tensor_grid(format_named("uint8"), 0.0173f)};
  model.quantization.at[{node.id, Side::output, 0}].chain = {tensor_grid(format_named("uint8"), out_scale, 100)};
  model.quantization.profile = profile;
  g.outputs = {y};
  return model;
}

std::vector<std::string> certificates(const Model& model) {
  const auto program = Program::compile(model);
  std::vector<std::string> found;
  for (const StepInfo& step : program->steps(program->default_shapes()))
    for (const std::string& note : step.notes)
      if (note.rfind("sums: ", 0) == 0 || note.rfind("requantize: ", 0) == 0) found.push_back(note);
  return found;
}

TEST(Certificate, SaysHowManyBitsTheSumsTake) {
  // 10 * 255 * 127 = 323850 < 2^19: with the sign 20 bits
  EXPECT_EQ(certificates(product(10, 127, Profile::ort)),
            (std::vector<std::string>{"sums: 20 of int32's 32 bits hold every one that can occur, proved from the weights",
                                      "requantize: one float32 product, which is what profile ort says"}));
  // -(2^15): 16 bits hold it, as they do not 2^15
  EXPECT_EQ(certificates(product(1, -128, Profile::ort))[0], "sums: 16 of int32's 32 bits hold every one that can occur, proved from the weights");
  // 70000 * 255 * 127 = 2266950000 > 2^31
  EXPECT_EQ(certificates(product(70000, 127, Profile::ort))[0], "sums: may take 33 bits, so they are int64");
}

TEST(Certificate, EveryProfileIsProvedOrComputedAsItIsDefined) {
  for (const Profile profile : {Profile::real, Profile::tflite})
    for (const float scale : {0.37f, 0.0041f, 0.000771f, 3.1f}) {
      const auto found = certificates(product(400, 77, profile, scale));
      ASSERT_EQ(found.size(), 2u);
      const std::string name(name_of(profile));
      const bool proved = found[1].find("proved equal to profile " + name + " for every sum that can occur") != std::string::npos;
      const bool defined = found[1].find("the definition of profile " + name + " itself") != std::string::npos;
      EXPECT_TRUE(proved != defined) << found[1];
      // A slower way names the sum that the faster one would get wrong.
      const bool fastest = found[1].rfind("requantize: one float32", 0) == 0;
      EXPECT_EQ(found[1].find("differs first at accumulator") == std::string::npos, fastest) << found[1];
    }
}

}  // namespace
}  // namespace bitwright
