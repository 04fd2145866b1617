// vocab.json of character models: {"<BOS>": 0, "<EOS>": 1, "<UNK>": 2, "a": 3, ...}.
#pragma once

#include <map>

#include "io/data/reader.hpp"

namespace bitwright {

struct CharacterMarks {
  int64_t begin = 0, end = 0, unknown = 0;
};

/// Ids of single characters; the marks come out apart. Error{malformed} starts with `where`.
std::map<char32_t, int64_t> parse_character_vocabulary(std::string_view json, CharacterMarks& marks,
                                                       const std::string& where);

}  // namespace bitwright
