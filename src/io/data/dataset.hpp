// Data sets: records read on demand, so that calibration and evaluation stream in constant memory. A file is mapped and
// a record decoded when it is asked for; only gzip and deflated npz members are unpacked as a whole (their bytes, not
// the floats made of them).
//
//   auto data = open_dataset("cifar10/test.bin");
//   for (int64_t i = 0; i < data->size(); i += 50) evaluate(data->batch(i, 50));
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.hpp"
#include "io/data/options.hpp"

namespace bitwright {

/// What the truth beside the inputs is, hence how a model's outputs are judged.
enum class Task {
  none,        // inputs only
  classify,    // one label per record
  similarity,  // rows 2i and 2i+1 of the inputs are a pair, one target per pair (Spearman of their cosine)
  next_token,  // one label per position of the input, -1 where nothing is counted
  compare,     // the outputs themselves are given
};
std::string_view name_of(Task task);

struct Batch {
  int64_t records = 0;
  std::vector<Tensor> inputs;     // ordered as input_names(); f32, or arrays and tensors as stored
  std::vector<int64_t> labels;    // classify: label + offset; next_token: in the order of the input's elements
  std::vector<float> targets;     // similarity
  std::vector<Tensor> expected;   // compare
};

class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual int64_t size() const = 0;
  virtual Task task() const = 0;
  /// One name per input, empty names where only the position is known; empty: all by position.
  virtual std::vector<std::string> input_names() const { return {}; }
  /// Whether a network that keeps state from record to record starts anew at this one. Records that do not belong
  /// together each do; the frames of a sound file follow each other, and the rows of an array.
  virtual bool begins_sequence(int64_t record) const {
    (void)record;
    return true;
  }
  /// One line: "CIFAR-10, 4984 records, 3x32x32".
  virtual std::string description() const = 0;
  /// The records with these numbers, 0 <= number < size(), in this order. Callable from several threads.
  /// Throws Error{malformed, mismatch} that names the file of a record that cannot be used.
  virtual Batch read(std::span<const int64_t> records) const = 0;

  /// Records [first, first + count), cut at the end of the set; first < size().
  Batch batch(int64_t first, int64_t count) const;
  /// The same, and its last record again until there are `wanted`: for a network that takes a fixed number of records.
  Batch filled_batch(int64_t first, int64_t count, int64_t wanted) const;
};

/// Opens PATH, or READER:PATH to force a reader ("cifar10:odd.name"). Every set has at least one record.
/// Errors: io (not there), unsupported (no reader knows it), malformed, usage (options).
std::unique_ptr<Dataset> open_dataset(const std::string& spec, const DataOptions& options);
/// The same with options_beside(PATH).
std::unique_ptr<Dataset> open_dataset(const std::string& spec);

/// The records of `base` that a selection names (selection.hpp). Error{usage} when it names none.
std::unique_ptr<Dataset> select(std::unique_ptr<Dataset> base, const std::string& selection);

/// `base` with more inputs, scalars that are bound by name. Error{usage} when the data give one of them themselves.
std::unique_ptr<Dataset> with_constants(std::unique_ptr<Dataset> base, std::vector<ConstantInput> constants);

struct ReaderInfo {
  std::string_view name, summary;
};
/// All readers, by name: for --list, documentation and tests.
std::vector<ReaderInfo> dataset_readers();

}  // namespace bitwright
