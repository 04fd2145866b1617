// SST-2 as GLUE writes it: a line "sentence<tab>label", then one sentence and 0 or 1 per line.
#include "io/data/text_dataset.hpp"

namespace bitwright {
namespace {

constexpr std::string_view kHeader = "sentence\tlabel";

class Sst2 : public TextDataset {
 public:
  Sst2(const DataPath& at, const DataOptions& options) : TextDataset(at, options) {
    if (options_.classes == 0) options_.classes = 2;
    int64_t number = 0;
    for (const std::string_view line : lines_of(text_of(file_.bytes))) {
      ++number;
      if ((number == 1 && line == kHeader) || line.empty()) continue;
      add(line, str(at.path, " line ", number));
    }
  }
  int64_t size() const override { return static_cast<int64_t>(records_.size()); }
  Task task() const override { return Task::classify; }
  std::string description() const override { return str("SST-2, ", size(), " sentences"); }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch;
    batch.records = static_cast<int64_t>(records.size());
    std::vector<std::string_view> sentences;
    for (const int64_t record : records) {
      sentences.push_back(records_[static_cast<size_t>(record)].sentence);
      batch.labels.push_back(records_[static_cast<size_t>(record)].label);
    }
    batch.inputs = tokens_of(sentences);
    return batch;
  }

 private:
  struct Record {
    std::string_view sentence;
    int64_t label;
  };

  void add(std::string_view line, const std::string& where) {
    const size_t tab = line.rfind('\t');
    const std::string_view digits = tab == std::string_view::npos ? "" : line.substr(tab + 1);
    if (digits.size() != 1 || digits[0] < '0' || digits[0] > '9')
      fail(ErrorCode::malformed, where, ": wanted a sentence, a tab and a label of one digit");
    records_.push_back({line.substr(0, tab), checked_label(digits[0] - '0', options_, where)});
  }

  std::vector<Record> records_;
};

bool recognises(const DataPath& at) { return at.head.substr(0, kHeader.size()) == kHeader; }

std::unique_ptr<Dataset> open(const DataPath& at, const DataOptions& options) {
  return std::make_unique<Sst2>(at, options);
}

}  // namespace

const Reader& reader_sst2() {
  static const Reader reader{"sst2", "sentences with labels, tab-separated (SST-2), and a WordPiece vocab.txt",
                             recognises, open};
  return reader;
}

}  // namespace bitwright
