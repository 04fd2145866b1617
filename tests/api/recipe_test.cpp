#include "api/recipe.hpp"

#include <gtest/gtest.h>

namespace bitwright {
namespace {

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

Recipe from(const std::string& toml) { return recipe_from(parse_toml(toml, "r.toml"), "r.toml"); }
std::string refused(const std::string& toml) {
  return error_of([&] { from(toml); });
}

TEST(Recipe, PresetThenSingleKeys) {
  const Recipe r = from("version = 1\npreset = 'fbgemm'\n[activation]\nobserver = 'percentile'\n[[override]]\nmatch = 'l*'\n"
                        "quantize = false\n[override.weight]\nformat = 'int4'\n");
  EXPECT_EQ(r.rules.activation.format->name, "uint8");
  EXPECT_TRUE(r.rules.activation.reduce_range);
  EXPECT_EQ(r.rules.observer, "percentile");
  ASSERT_EQ(r.rules.overrides.size(), 1u);
  EXPECT_EQ(r.rules.overrides[0].weight->format->name, "int4");
  EXPECT_EQ(r.rules.overrides[0].weight->granularity, Layout::channel);
  EXPECT_FALSE(r.rules.overrides[0].activation.has_value());
}

TEST(Recipe, BothFormsReadBackWhatWasWritten) {
  for (const Preset& preset : presets()) {
    Recipe r(preset);
    r.samples = 77;
    r.rules.exclude = {"a\"b", "c*"};
    r.rules.overrides = {{"x*", "Conv", false, {}, r.rules.weight, "mse", "slower"}};
    const std::string toml = to_toml(to_document(r)), json = to_json(to_document(r));
    EXPECT_EQ(to_toml(to_document(recipe_from(parse_toml(toml, "t"), "t"))), toml);
    EXPECT_EQ(to_json(to_document(recipe_from(parse_json(json, "j"), "j"))), json);
  }
}

TEST(Recipe, ErrorsNameKeyAndNearest) {
  EXPECT_EQ(refused("preset = 'fbgemm'"), "r.toml: 'version' is missing; write version = 1");
  EXPECT_EQ(refused("version = 2"), "r.toml: line 1: version 2 is newer than this program understands (1)");
  EXPECT_EQ(refused("version = 1\nactivaton = 1"), "r.toml: line 2: unknown key 'activaton'; did you mean 'activation'?");
  EXPECT_EQ(refused("version = 1\n[weight]\nformt = 'int8'"), "r.toml: line 3: unknown key 'formt'; did you mean 'format'?");
  EXPECT_EQ(refused("version = 1\nfuse = 3"), "r.toml: line 2: fuse wants true or false, got a whole number");
  EXPECT_EQ(refused("version = 1\nmode = 'statik'"), "r.toml: line 2: mode is 'statik', it must be one of static, dynamic, weight-only");
  EXPECT_EQ(refused("version = 1\nweight = 3"), "r.toml: line 2: weight wants a table, got a whole number");
  EXPECT_EQ(refused("version = 1\n[calibration]\nbatch = 0"), "r.toml: line 3: calibration.batch is 0, it must lie between 1 and 65536");
  EXPECT_EQ(refused("version = 1\n\n[data]\nresise = 3"), "r.toml: line 4: unknown key 'resise'; did you mean 'resize'?");
  EXPECT_EQ(refused("version = 1\n[[override]]\nop = 'Conv'\n[[override]]\nobserver = 3"),
            "r.toml: line 5: override[1].observer wants text, got a whole number");
  EXPECT_EQ(error_of([] { recipe_from(parse_json("{\"version\": 1,\n\"weight\": {\n  \"formt\": 2}}", "r.json"), "r.json"); }),
            "r.json: line 3: unknown key 'formt'; did you mean 'format'?");
  EXPECT_EQ(error_of([] { recipe_from(Document().set("version", 1).set("fuze", true), "r"); }),
            "r: unknown key 'fuze'; did you mean 'fuse'?");
  EXPECT_EQ(refused("version = 1\nexclude = [1]"), "r.toml: line 2: exclude wants a list of texts, got a whole number");
  EXPECT_EQ(refused("version = 1\n[weight]\ngranularity = 'block'"),
            "r.toml: weight.granularity is 'block', but weight.block_size is not given");
  EXPECT_EQ(refused("version = 1\n[activation]\npercentile = 40"),
            "r.toml: activation.percentile is 40, it must lie above 50 and at most at 100");
}

TEST(Recipe, BrokenTextNamesThePlace) {
  EXPECT_EQ(refused("version = \n").substr(0, 14), "r.toml: line 1");
  EXPECT_EQ(error_of([] { parse_json("{\n\"a\": }", "r.json"); }), "r.json: line 2, column 6: this is not JSON");
  EXPECT_EQ(error_of([] { parse_json(std::string(100, '['), "r.json"); }), "r.json: line 1: nested deeper than 64 levels");
}

TEST(Recipe, ShortWordsForFormats) {
  Scheme s = Recipe().rules.weight;
  set_format(s, "int4/32");
  EXPECT_EQ(s.granularity, Layout::block);
  EXPECT_EQ(s.block_size, 32);
  set_format(s, "uint8/tensor");
  EXPECT_EQ(s.granularity, Layout::tensor);
  EXPECT_EQ(s.symmetry, Symmetry::affine);
  EXPECT_EQ(error_of([&] { set_format(s, "int8/0"); }), "'int8/0': after '/' stands tensor, channel or the size of a group");
}

}  // namespace
}  // namespace bitwright
