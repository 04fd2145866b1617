#include "io/data/text_dataset.hpp"

#include <algorithm>
#include <filesystem>

namespace bitwright {
namespace {

WordPiece tokenizer_for(const DataPath& at, const DataOptions& options) {
  const MappedFile file = vocabulary_for(at, options, "vocab.txt");
  return {text_of(file.bytes), file.path};
}

}  // namespace

MappedFile vocabulary_for(const DataPath& at, const DataOptions& options, const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const std::string& given = options.text.vocabulary;
  const std::string folder = at.is_folder ? at.path : at.folder;
  const std::string beside = folder + "/" + (given.empty() ? name : given);
  if (!given.empty() && (given[0] == '/' || !fs::exists(beside, ignored))) return MappedFile::open(given);
  if (!fs::exists(beside, ignored))
    fail(ErrorCode::usage, at.path, ": needs its vocabulary; put ", name, " beside it or give vocabulary = \"PATH\"");
  return MappedFile::open(beside);
}

TextDataset::TextDataset(const DataPath& at, const DataOptions& options)
    : file_(MappedFile::open(at.path)), options_(options), tokenizer_(tokenizer_for(at, options)) {}

std::vector<Tensor> TextDataset::tokens_of(const std::vector<std::string_view>& sentences) const {
  std::vector<std::vector<int64_t>> rows;
  size_t longest = options_.text.pad_to_max ? static_cast<size_t>(options_.text.max_length) : 0;
  for (const std::string_view sentence : sentences) {
    rows.push_back(tokenizer_.encode(sentence, options_.text.max_length));
    longest = std::max(longest, rows.back().size());
  }
  const Shape shape{static_cast<int64_t>(rows.size()), static_cast<int64_t>(longest)};
  Tensor ids(DType::i64, shape), mask(DType::i64, shape), types(DType::i64, shape);
  std::ranges::fill(ids.values<int64_t>(), tokenizer_.pad());
  for (size_t i = 0; i < rows.size(); ++i) {
    std::ranges::copy(rows[i], ids.values<int64_t>().begin() + static_cast<std::ptrdiff_t>(i * longest));
    std::ranges::fill(mask.values<int64_t>().subspan(i * longest, rows[i].size()), 1);
  }
  return {ids, mask, types};
}

}  // namespace bitwright
