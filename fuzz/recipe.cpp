// Recipes from any bytes: TOML and JSON, read, written and read again.
#include <cstdint>

#include "api/recipe.hpp"

using namespace bitwright;

namespace {

void round_trip(const Document& document) {
  const Recipe recipe = recipe_from(document, "recipe");
  const std::string toml = to_toml(to_document(recipe));
  if (to_toml(to_document(recipe_from(parse_toml(toml, "again"), "again"))) != toml) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool json : {false, true}) {
    try {
      round_trip(json ? parse_json(text, "recipe") : parse_toml(text, "recipe"));
    } catch (const Error&) {
    }
  }
  return 0;
}
