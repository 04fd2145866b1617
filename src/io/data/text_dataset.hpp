// Sentences as token ids: input_ids, attention_mask and token_type_ids, each i64 [rows, T], padded to the longest of the
// batch or to max_length.
#pragma once

#include "io/data/wordpiece.hpp"
#include "io/data/reader.hpp"

namespace bitwright {

/// A file of lines that stays mapped; sentences are views into it.
class TextDataset : public Dataset {
 public:
  TextDataset(const DataPath& at, const DataOptions& options);
  std::vector<std::string> input_names() const override { return {"input_ids", "attention_mask", "token_type_ids"}; }

 protected:
  /// The three tensors for these sentences, one row each.
  std::vector<Tensor> tokens_of(const std::vector<std::string_view>& sentences) const;

  MappedFile file_;
  DataOptions options_;
  WordPiece tokenizer_;
};

/// The vocabulary that `options` names, or `name` in the folder of the data. Error{usage} says where it was looked for.
MappedFile vocabulary_for(const DataPath& at, const DataOptions& options, const std::string& name);

}  // namespace bitwright
