// Text for a character model: each line that is not empty is a record, ids <BOS> c1 c2 ... and labels c1 c2 ... <EOS>.
#include <algorithm>

#include "core/utf8.hpp"
#include "io/data/character_vocabulary.hpp"
#include "io/data/text_dataset.hpp"

namespace bitwright {
namespace {

constexpr int64_t kNotCounted = -1;

class Characters : public Dataset {
 public:
  Characters(const DataPath& at, const DataOptions& options) : file_(MappedFile::open(at.path)), options_(options) {
    const MappedFile vocabulary = vocabulary_for(at, options, "vocab.json");
    ids_ = parse_character_vocabulary(text_of(vocabulary.bytes), marks_, vocabulary.path);
    for (const std::string_view line : lines_of(text_of(file_.bytes)))
      if (!line.empty()) lines_.push_back(line);
  }
  int64_t size() const override { return static_cast<int64_t>(lines_.size()); }
  Task task() const override { return Task::next_token; }
  std::string description() const override { return str("characters, ", size(), " lines"); }
  std::vector<std::string> input_names() const override {
    if (options_.input.empty()) return {};
    return {options_.input};
  }
  Batch read(std::span<const int64_t> records) const override {
    std::vector<std::vector<int64_t>> rows;
    size_t longest = 0;
    for (const int64_t record : records) {
      rows.push_back(sequence(lines_[static_cast<size_t>(record)]));
      longest = std::max(longest, rows.back().size() - 1);
    }
    Batch batch;
    batch.records = static_cast<int64_t>(rows.size());
    const auto time = static_cast<int64_t>(longest);
    const bool time_major = options_.text.time_major;
    Tensor ids(DType::i64, time_major ? Shape{time, batch.records} : Shape{batch.records, time});
    std::ranges::fill(ids.values<int64_t>(), marks_.end);
    batch.labels.assign(static_cast<size_t>(ids.elements()), kNotCounted);
    for (size_t row = 0; row < rows.size(); ++row) {
      for (size_t t = 0; t + 1 < rows[row].size(); ++t) {
        const size_t at = time_major ? t * rows.size() + row : row * longest + t;
        ids.values<int64_t>()[at] = rows[row][t];
        batch.labels[at] = rows[row][t + 1];
      }
    }
    batch.inputs.push_back(std::move(ids));
    return batch;
  }

 private:
  std::vector<int64_t> sequence(std::string_view line) const {
    std::vector<int64_t> ids{marks_.begin};
    for (const char32_t c : decode_utf8(line)) {
      const auto found = ids_.find(c);
      ids.push_back(found == ids_.end() ? marks_.unknown : found->second);
    }
    ids.push_back(marks_.end);
    return ids;
  }

  MappedFile file_;
  DataOptions options_;
  CharacterMarks marks_;
  std::map<char32_t, int64_t> ids_;
  std::vector<std::string_view> lines_;
};

bool recognises(const DataPath& at) { return at.extension == ".txt" && look_at(at.folder).holds("vocab.json"); }

std::unique_ptr<Dataset> open(const DataPath& at, const DataOptions& options) {
  return std::make_unique<Characters>(at, options);
}

}  // namespace

const Reader& reader_characters() {
  static const Reader reader{"characters", "lines of text for a character model, and its vocab.json", recognises, open};
  return reader;
}

}  // namespace bitwright
