// STS-B: tab-separated lines; the fifth field is the similarity 0..5, the sixth and seventh are the sentences.
#include <cmath>
#include <cstdlib>

#include "io/data/text_dataset.hpp"

namespace bitwright {
namespace {

struct Pair {
  std::string_view first, second;
  float score = 0;
};

/// False when the line is not of this form.
bool parse(std::string_view line, Pair& pair) {
  const auto fields = split(line, '\t');
  if (fields.size() < 7) return false;
  char* end = nullptr;
  pair.score = std::strtof(fields[4].c_str(), &end);
  if (fields[4].empty() || *end || !std::isfinite(pair.score)) return false;
  size_t at = 0;
  for (int field = 0; field < 5; ++field) at = line.find('\t', at) + 1;
  pair.first = line.substr(at, fields[5].size());
  pair.second = line.substr(at + fields[5].size() + 1, fields[6].size());
  return true;
}

class StsB : public TextDataset {
 public:
  StsB(const DataPath& at, const DataOptions& options) : TextDataset(at, options) {
    int64_t number = 0;
    for (const std::string_view line : lines_of(text_of(file_.bytes))) {
      ++number;
      if (line.empty()) continue;
      Pair pair;
      if (!parse(line, pair))
        fail(ErrorCode::malformed, at.path, " line ", number,
             ": wanted seven fields between tabs, the fifth a number (the similarity)");
      pairs_.push_back(pair);
    }
  }
  int64_t size() const override { return static_cast<int64_t>(pairs_.size()); }
  Task task() const override { return Task::similarity; }
  std::string description() const override { return str("STS-B, ", size(), " pairs of sentences"); }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch;
    batch.records = static_cast<int64_t>(records.size());
    std::vector<std::string_view> sentences;
    for (const int64_t record : records) {
      const Pair& pair = pairs_[static_cast<size_t>(record)];
      sentences.push_back(pair.first);
      sentences.push_back(pair.second);
      batch.targets.push_back(pair.score);
    }
    batch.inputs = tokens_of(sentences);
    return batch;
  }

 private:
  std::vector<Pair> pairs_;
};

bool recognises(const DataPath& at) {
  if (at.extension != ".csv" && at.extension != ".tsv") return false;
  Pair pair;
  const auto lines = lines_of(at.head);
  return !lines.empty() && parse(lines[0], pair);
}

std::unique_ptr<Dataset> open(const DataPath& at, const DataOptions& options) {
  return std::make_unique<StsB>(at, options);
}

}  // namespace

const Reader& reader_stsb() {
  static const Reader reader{"stsb", "pairs of sentences with a similarity (STS-B), and a WordPiece vocab.txt", recognises,
                             open};
  return reader;
}

}  // namespace bitwright
