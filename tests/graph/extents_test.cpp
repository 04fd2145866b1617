// Free extents become numbers everywhere, also inside branches.
#include "graph/extents.hpp"

#include <gtest/gtest.h>

#include "graph/text.hpp"

namespace bitwright {
namespace {

Graph network() {
  return parse_model(R"(graph "g" {
    input x: f32[batch,length]
    input c: bool[]
    y: f32[batch,length] = If(c) then_branch=graph "then" { t: f32[length,batch] = Transpose(x) u: f32[batch,length] = Transpose(t) output u } else_branch=graph "else" { v: f32[batch,length] = Relu(x) output v }
    output y
  })").graph;
}

std::string refusal(const std::string& extent) {
  Graph g = network();
  try {
    fix_extents(g, {&extent, 1});
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(Extents, BecomeNumbers) {
  Graph g = network();
  fix_extents(g, std::vector<std::string>{"batch=2", "length=7"});
  const std::string text = print(g);
  EXPECT_EQ(text.find("batch"), std::string::npos) << text;
  EXPECT_NE(text.find("t: f32[7,2]"), std::string::npos) << text;
}

TEST(Extents, ThatAreNoneAreNamed) {
  EXPECT_EQ(refusal("lenght=7"), "extents: no input has a free extent 'lenght'; did you mean 'length'?");
  EXPECT_EQ(refusal("length=0"), "extents: 'length=0' is not NAME=NUMBER with a number from 1");
  EXPECT_EQ(refusal("length"), "extents: 'length' is not NAME=NUMBER with a number from 1");
}

}  // namespace
}  // namespace bitwright
