#include "io/document/document.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace bitwright {
namespace {

constexpr const char* kToml = "a = 1\n\n# text\n[t]\nb = [\n  'x',\n  {c = 2}]\nd.e = true\n[[l]]\nf = 1.5\n[[l]]\n";
constexpr const char* kJson = "{\"a\": 1,\n\n\n\"t\": {\n\"b\": [\n  \"x\",\n  {\"c\": 2}],\n\"d\": {\"e\": true}},\n\"l\": [{\n\"f\": 1.5},\n{}]}";

const Document& member(const Document& document, std::initializer_list<std::string_view> path) {
  const Document* at = &document;
  for (const std::string_view key : path) {
    at = at->is_list() ? &std::get<DocumentList>(at->value)[static_cast<size_t>(key[0] - '0')] : at->find(key);
    if (!at) fail(ErrorCode::usage, "no ", key);
  }
  return *at;
}

TEST(Document, MembersRememberTheLineOfTheirKey) {
  for (const bool json : {false, true}) {
    SCOPED_TRACE(json ? "json" : "toml");
    const Document d = json ? parse_json(kJson, "n") : parse_toml(kToml, "n");
    EXPECT_EQ(member(d, {"a"}).line, 1);
    EXPECT_EQ(member(d, {"t"}).line, 4);
    EXPECT_EQ(member(d, {"t", "b"}).line, 5);
    EXPECT_EQ(member(d, {"t", "b", "0"}).line, 6);
    EXPECT_EQ(member(d, {"t", "b", "1", "c"}).line, 7);
    EXPECT_EQ(member(d, {"t", "d", "e"}).line, 8);
    EXPECT_EQ(member(d, {"l", "0", "f"}).line, 10);
  }
}

TEST(Document, BothFormsReadEqual) {
  const std::string through_toml = to_toml(parse_json(kJson, "n"));  // toml++ keeps members sorted by name
  EXPECT_EQ(to_json(parse_toml(through_toml, "n")), to_json(parse_toml(kToml, "n")));
  EXPECT_EQ(to_json(parse_json(to_json(parse_json(kJson, "n")), "n")), to_json(parse_json(kJson, "n")));
}

TEST(Document, PlacesNameTheLineWhereItIsKnown) {
  EXPECT_EQ(place_of(member(parse_toml(kToml, "n"), {"t"}), "r.toml"), "r.toml: line 4");
  EXPECT_EQ(place_of(Document(3), "r.toml"), "r.toml");
}

TEST(Document, WhatIsWrittenAsTomlCanBeReadAgain) {
  for (const char* text : {"it's", "caf\xc3\xa9", "l'\xc3\xa9t\xc3\xa9", "'\"\\\n\t\x01\x7f\xf0\x9f\x98\x80"}) {
    Document document{DocumentTable{}};
    document.set("value", std::string(text));
    document.set(text, 1);
    const Document read = parse_toml(to_toml(document), "n");
    EXPECT_EQ(std::get<std::string>(read.find("value")->value), text);
    EXPECT_TRUE(read.find(text)) << to_toml(document);
  }
}

TEST(Document, JsonKeepsEveryKindOfValue) {
  const Document d = parse_json("{\"n\": null, \"t\": true, \"i\": -5, \"big\": 18446744073709551615, \"r\": 2.5, \"s\": \"\\u00e9\"}", "n");
  EXPECT_EQ(kind_of(*d.find("n")), "nothing");
  EXPECT_EQ(std::get<bool>(d.find("t")->value), true);
  EXPECT_EQ(std::get<int64_t>(d.find("i")->value), -5);
  EXPECT_EQ(std::get<double>(d.find("big")->value), 18446744073709551615.0);
  EXPECT_EQ(std::get<double>(d.find("r")->value), 2.5);
  EXPECT_EQ(std::get<std::string>(d.find("s")->value), "\xc3\xa9");
  EXPECT_EQ(kind_of(parse_json("7", "n")), "a whole number");
  EXPECT_EQ(to_json(parse_json("{\"a\": 1, \"a\": 2}", "n"), -1), "{\"a\":2}");
}

}  // namespace
}  // namespace bitwright
