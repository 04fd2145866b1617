// Which inputs and outputs are taken for state, and what is refused.
#include "graph/state.hpp"

#include <gtest/gtest.h>

#include "graph/text.hpp"

namespace bitwright {
namespace {

// Inputs named by `inputs`, outputs by `outputs` ("name: f32[1,4]"); each output passes on the input x.
Graph graph_of(const std::vector<std::string>& inputs, const std::vector<std::string>& outputs) {
  std::string text = "graph \"g\" { input x: f32[1,4]\n";
  for (const std::string& input : inputs) text += "input " + input + "\n";
  for (const std::string& output : outputs) text += output + " = Identity(x)\n";
  text += "y: f32[1,4] = Relu(x)\noutput y\n";
  for (const std::string& output : outputs) text += "output " + output.substr(0, output.find(':')) + "\n";
  return parse_model(text + "}").graph;
}

std::string found(const std::string& input, const std::string& output) {
  Graph g = graph_of({input}, {output});
  find_state(g);
  return join(describe_state(g), "; ");
}

TEST(State, IsFoundByNamesThatDifferInComingAndGoing) {
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"h", "hn"}, {"h0", "hn"}, {"h_0", "h_n"}, {"c_in", "c_out"}, {"state", "stateN"}, {"in_state", "out_state"},
      {"cache_in", "new_cache"}, {"rnn1_hidden", "rnn1_hidden_out"},
      {"past_key_values.0.key", "present.0.key"}, {"past.3.value", "present.3.value"}};
  for (const auto& [input, output] : pairs)
    EXPECT_EQ(found("\"" + input + "\": f32[1,4]", output + ": f32[1,4]"),
              "input '" + input + "' takes output '" + output + "' of the step before");
}

TEST(State, IsNotFoundWhereItMayBeSomethingElse) {
  EXPECT_EQ(found("image_in: f32[1,4]", "image_out: f32[1,4]"), "");  // no word for state
  EXPECT_EQ(found("h: f32[1,4]", "hn: f32[2,4]"), "");               // another shape
  EXPECT_EQ(found("h: f32[1,4]", "hn: i64[1,4]"), "");               // another type
  EXPECT_EQ(found("h1: f32[1,4]", "h2: f32[1,4]"), "");
  Graph twice = graph_of({"h: f32[1,4]"}, {"hn: f32[1,4]", "h_out: f32[1,4]"});
  EXPECT_EQ(find_state(twice), 0u);
}

TEST(State, NeverTakesEveryInput) {
  Graph g = parse_model("graph \"g\" { input h: f32[4]\nhn: f32[4] = Relu(h)\ny = Relu(h)\noutput y\noutput hn }").graph;
  EXPECT_EQ(find_state(g), 0u);
}

std::string refusal(const std::vector<std::string>& pairs) {
  Graph g = graph_of({"a: f32[1,4]", "b: f32[3]"}, {"a2: f32[1,4]", "b2: f32[3]"});
  try {
    declare_state(g, pairs);
    return join(describe_state(g), "; ");
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(State, IsDeclared) {
  const std::vector<std::string> once = {"a=a2"}, again = {"a=a2", "a=a2"};
  EXPECT_EQ(refusal(once), "input 'a' takes output 'a2' of the step before");
  EXPECT_EQ(refusal(again), refusal(once));
  EXPECT_EQ(refusal({"none"}), "");
  EXPECT_EQ(refusal({"a"}), "state: 'a' is not input=output");
  EXPECT_EQ(refusal({"aa=a2"}), "state: the network has no input 'aa'; did you mean 'a'?");
  EXPECT_EQ(refusal({"a=a22"}), "state: the network has no output 'a22'; did you mean 'a2'?");
  EXPECT_EQ(refusal({"b=a2"}), "state: 'b=a2': the input is f32[3], the output f32[1,4]");
  EXPECT_EQ(refusal({"a=a2", "x=a2"}), "state: 'x=a2': one of them has another partner already");
}

TEST(State, OffersCandidates) {
  Graph g = graph_of({"a: f32[1,4]"}, {"a2: f32[1,4]", "b: f32[3]"});
  EXPECT_EQ(state_candidates(g, "a"), (std::vector<std::string>{"y", "a2"}));
  declare_state(g, std::vector<std::string>{"x=y"});
  EXPECT_EQ(state_candidates(g, "a"), std::vector<std::string>{"a2"});
}

TEST(State, ThatNamesNothingIsMalformed) {
  Graph g = graph_of({}, {});
  g.state = {{5, 0}};
  EXPECT_THROW(verify(g), Error);
}

}  // namespace
}  // namespace bitwright
