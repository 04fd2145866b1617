// The text form is read back as it was printed; errors name the line.
#include "graph/text.hpp"

#include <gtest/gtest.h>

namespace bitwright {
namespace {

const char* const kText = R"(graph "net" {
  input x: f32[N,3]
  input "odd name": i64[?]
  const w: f32[3] = {1, -2.5, 1e-10}
  const big: f32[2,2] = {1, 2, 3, 4}
  y: f32[N,3] = Add(x, w) @"first"
  a, _ = com.microsoft.Twin(y, _, big) e=f[] f=0.5 i=3 l=i[1, -2] s="a\"b" t=i64[1]{7} v=f[1.0, 2.5] w=s["p", "q"]
  z = If(a) then_branch=graph "then" {
    inner = Relu(y)
    output inner
  }
  output z
  output a -> "odd name"
}
profile tflite
at input 0: static {uint8 0 255 scale f32[]{0.5} zero u8[]{3}}
at 0 input 1: derived tied 4 {int8 -127 127 channel 0 scale f32[3]{1, 2, 3}} codes i8[3]{1, 2, 3}
at 1 input 0: at_run per_row {uint8 0 255}
)";

TEST(Text, IsReadAsItWasPrinted) { EXPECT_EQ(print(parse_model(kText)), kText); }

TEST(Text, LongTensorsAreFoundByName) {
  const Model model = parse_model(kText);
  const std::string text = print(model, {.inline_elements = 3});
  EXPECT_NE(text.find("const big: f32[2,2] = #"), std::string::npos);
  const Tensor big = Tensor::of<float>({2, 2}, std::vector<float>{1, 2, 3, 4});
  const Model again = parse_model(text, [&](const std::string& name) { return name == "big" ? big : Tensor(); });
  EXPECT_EQ(print(again), kText);
}

std::string error_of(const std::string& text) {
  try {
    parse_model(text);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Text, NamesThatLookLikeNumbersAreQuoted) {
  const std::string text = print(parse_model("graph \"g\" {\n input \".5x\": f32[2]\n y: f32[2] = Relu(\".5x\")\n output y\n}"));
  EXPECT_EQ(print(parse_model(text)), text);
}

TEST(Text, ErrorsNameTheLine) {
  EXPECT_EQ(error_of("graph \"g\" {\n y = Relu(x)\n}"), "line 2: nothing makes 'x'");
  EXPECT_EQ(error_of("graph \"g\" {\n input x: f3\n}"), "line 3: 'f3' is no element type");
  EXPECT_EQ(error_of("graph \"g\" {\n input x"), "line 2: a graph has no end");
  EXPECT_EQ(error_of("graph \"g\" {\n const c: f32[9] = #\n}"), "line 3: the contents of 'c' are not at hand");
  EXPECT_EQ(error_of("graph \"g\" {}\nat 0 input 0: static"), "line 2: there is no node 0");
}

}  // namespace
}  // namespace bitwright
