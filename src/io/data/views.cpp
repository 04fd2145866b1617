// Data sets made of another: some of its records, more inputs.
#include "io/data/reader.hpp"
#include "io/data/selection.hpp"

namespace bitwright {
namespace {

class Selected : public Dataset {
 public:
  Selected(std::unique_ptr<Dataset> base, std::vector<int64_t> records, std::string how)
      : base_(std::move(base)), records_(std::move(records)), how_(std::move(how)) {}
  int64_t size() const override { return static_cast<int64_t>(records_.size()); }
  Task task() const override { return base_->task(); }
  std::vector<std::string> input_names() const override { return base_->input_names(); }
  /// Also where the selection leaves records out.
  bool begins_sequence(int64_t record) const override {
    const auto i = static_cast<size_t>(record);
    return i == 0 || records_[i] != records_[i - 1] + 1 || base_->begins_sequence(records_[i]);
  }
  std::string description() const override { return str(base_->description(), ", ", how_, ": ", size(), " of them"); }
  Batch read(std::span<const int64_t> records) const override {
    std::vector<int64_t> mapped;
    for (const int64_t record : records) mapped.push_back(records_.at(static_cast<size_t>(record)));
    return base_->read(mapped);
  }

 private:
  std::unique_ptr<Dataset> base_;
  std::vector<int64_t> records_;
  std::string how_;
};

class WithConstants : public Dataset {
 public:
  WithConstants(std::unique_ptr<Dataset> base, std::vector<ConstantInput> constants)
      : base_(std::move(base)), constants_(std::move(constants)), names_(base_->input_names()) {
    names_.resize(base_->batch(0, 1).inputs.size());
    for (const ConstantInput& c : constants_) {
      for (const std::string& name : names_)
        if (name == c.name) fail(ErrorCode::usage, "constants: the data give the input '", name, "' themselves");
      names_.push_back(c.name);
    }
  }
  int64_t size() const override { return base_->size(); }
  Task task() const override { return base_->task(); }
  std::vector<std::string> input_names() const override { return names_; }
  bool begins_sequence(int64_t record) const override { return base_->begins_sequence(record); }
  std::string description() const override { return base_->description(); }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch = base_->read(records);
    for (const ConstantInput& c : constants_)
      batch.inputs.push_back(c.whole ? Tensor::scalar(static_cast<int64_t>(c.value)) : Tensor::scalar(static_cast<float>(c.value)));
    return batch;
  }

 private:
  std::unique_ptr<Dataset> base_;
  std::vector<ConstantInput> constants_;
  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<Dataset> select(std::unique_ptr<Dataset> base, const std::string& selection) {
  auto records = selected_records(base->size(), selection);
  if (records.empty())
    fail(ErrorCode::usage, "selection '", selection, "' takes none of the ", base->size(), " records");
  return std::make_unique<Selected>(std::move(base), std::move(records), selection);
}

std::unique_ptr<Dataset> with_constants(std::unique_ptr<Dataset> base, std::vector<ConstantInput> constants) {
  return std::make_unique<WithConstants>(std::move(base), std::move(constants));
}

}  // namespace bitwright
