// BERT's uncased tokenizer: clean, fold case and accents, split at spaces and punctuation, then the longest pieces of a
// vocabulary (Devlin 2019; the same ids as the `tokenizers` package gives for BertNormalizer + WordPiece).
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/error.hpp"

namespace bitwright {

class WordPiece {
 public:
  /// vocab.txt: one token per line, its number is its id. Error{malformed} when [UNK], [CLS], [SEP] or [PAD] is missing.
  WordPiece(std::string_view vocabulary, const std::string& where);

  /// Ids of the pieces, without [CLS] and [SEP].
  std::vector<int64_t> pieces(std::string_view utf8) const;
  /// [CLS] pieces [SEP], cut to max_length (at least 2) by dropping the last pieces.
  std::vector<int64_t> encode(std::string_view utf8, int64_t max_length) const;

  int64_t pad() const { return pad_; }
  int64_t size() const { return static_cast<int64_t>(ids_.size()); }

 private:
  void append_word(std::u32string_view word, std::vector<int64_t>& out) const;
  void append_text(std::string_view utf8, std::vector<int64_t>& out) const;

  std::unordered_map<std::string, int64_t> ids_;
  size_t longest_ = 0;  // bytes of the longest token
  int64_t unknown_ = 0, start_ = 0, end_ = 0, pad_ = 0;
};

}  // namespace bitwright
