// Recipes from any bytes: TOML and JSON. What is accepted must survive being written and read again in both forms.
#include "api/recipe.hpp"

#include <cstdint>
#include <optional>

using namespace bitwright;

namespace {

/// An Error here is a fault of ours, and so ends the program.
void check_round_trip(const Recipe& recipe) noexcept {
  const Document document = to_document(recipe);
  const std::string toml = to_toml(document);
  if (to_toml(to_document(recipe_from(parse_toml(toml, "again"), "again"))) != toml) __builtin_trap();
  if (to_toml(to_document(recipe_from(parse_json(to_json(document), "again"), "again"))) != toml) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool json : {false, true}) {
    std::optional<Recipe> recipe;
    try {
      recipe = recipe_from(json ? parse_json(text, "recipe") : parse_toml(text, "recipe"), "recipe");
    } catch (const Error&) {
    }
    if (recipe) check_round_trip(*recipe);
  }
  return 0;
}
