#include "io/data/character_vocabulary.hpp"

#include <nlohmann/json.hpp>

#include "core/utf8.hpp"

namespace bitwright {

std::map<char32_t, int64_t> parse_character_vocabulary(std::string_view json, CharacterMarks& marks,
                                                       const std::string& where) {
  const auto document = nlohmann::json::parse(json.begin(), json.end(), nullptr, false);
  if (!document.is_object())
    fail(ErrorCode::malformed, where, ": is not a JSON object of characters and their numbers");
  std::map<char32_t, int64_t> ids;
  std::map<std::string, int64_t> named;
  for (const auto& [key, value] : document.items()) {
    if (!value.is_number_integer() || value < 0 || value > 1 << 30)
      fail(ErrorCode::malformed, where, ": '", key, "' has no number from 0 on");
    const std::u32string characters = decode_utf8(key);
    if (characters.size() == 1) {
      ids[characters[0]] = value.get<int64_t>();
    } else {
      named[key] = value.get<int64_t>();
    }
  }
  for (const auto& [key, id] : {std::pair{"<BOS>", &marks.begin}, {"<EOS>", &marks.end}, {"<UNK>", &marks.unknown}}) {
    if (!named.contains(key)) fail(ErrorCode::malformed, where, ": the vocabulary has no ", key);
    *id = named[key];
  }
  return ids;
}

}  // namespace bitwright
