#include "core/spill.hpp"
#include "io/data/array_file.hpp"
#include "io/data/zip.hpp"

namespace bitwright {
namespace {

constexpr size_t kForgotten = size_t{64} << 10;  // bytes: rows whose pages leave memory once they are read

bool is_label_name(const std::string& name) { return name == "labels" || name == "label" || name == "y"; }

class Arrays : public Dataset {
 public:
  Arrays(std::vector<Array> arrays, const DataOptions& options, const std::string& where)
      : where_(where), options_(options) {
    for (Array& array : arrays) add(std::move(array));
    if (inputs_.empty()) fail(ErrorCode::mismatch, where, ": holds no input array");
    if (labels_.type == DType::none) return;
    if (!is_integer(labels_.type) || labels_.elements.size() * 8 != static_cast<size_t>(size() * bits_of(labels_.type)))
      fail(ErrorCode::mismatch, where, ": array '", labels_.name, "' ", to_string(labels_.shape), " ",
           name_of(labels_.type), " is not one integer label per record");
  }
  int64_t size() const override { return inputs_[0].shape[0]; }
  Task task() const override { return labels_.type == DType::none ? Task::none : Task::classify; }
  std::vector<std::string> input_names() const override {
    std::vector<std::string> names;
    for (const Array& array : inputs_) names.push_back(array.name);
    if (names.size() == 1 && !options_.input.empty()) names[0] = options_.input;
    return names;
  }
  bool begins_sequence(int64_t record) const override {
    return options_.sequence > 0 ? record % options_.sequence == 0 : record == 0;
  }
  std::string description() const override { return str(inputs_.size(), " arrays, ", size(), " records"); }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch;
    batch.records = static_cast<int64_t>(records.size());
    for (const Array& array : inputs_) batch.inputs.push_back(gather_rows(array, records));
    if (labels_.type == DType::none) return batch;
    const auto labels = values_as_int(gather_rows(labels_, records));
    for (size_t i = 0; i < labels.size(); ++i)
      batch.labels.push_back(checked_label(labels[i], options_, str(where_, " record ", records[i])));
    return batch;
  }

 private:
  void add(Array array) {
    if (array.shape.empty())
      fail(ErrorCode::mismatch, where_, ": array '", array.name, "' is a scalar; records lie along the first axis");
    const int64_t records = records_ < 0 ? array.shape[0] : records_;
    if (array.shape[0] != records)
      fail(ErrorCode::mismatch, where_, ": array '", array.name, "' has ", array.shape[0], " records, the others have ",
           records);
    if (records > 0 && array.elements.empty())
      fail(ErrorCode::mismatch, where_, ": array '", array.name, "' has records without elements");
    records_ = records;
    if (is_label_name(array.name)) {
      labels_ = std::move(array);
    } else {
      inputs_.push_back(std::move(array));
    }
  }

  std::string where_;
  DataOptions options_;
  std::vector<Array> inputs_;
  Array labels_;
  int64_t records_ = -1;
};

}  // namespace

std::vector<Array> parse_npz(const MappedFile& file) {
  std::vector<Array> arrays;
  for (const ZipMember& member : read_zip(file)) {
    if (member.name.empty() || member.name.back() == '/') continue;
    const std::string where = str(file.path, " member '", member.name, "'");
    Array array = parse_npy(member.bytes, member.keep, where);
    const size_t dot = member.name.rfind(".npy");
    array.name = member.name.substr(0, dot);
    for (const Array& other : arrays)
      if (other.name == array.name) fail(ErrorCode::malformed, where, ": the name is there twice");
    arrays.push_back(std::move(array));
  }
  return arrays;
}

Tensor gather_rows(const Array& array, std::span<const int64_t> records) {
  Shape shape = array.shape;
  const auto rows = static_cast<size_t>(shape[0]);
  const size_t row_bytes = rows ? array.elements.size() / rows : 0;
  shape[0] = static_cast<int64_t>(records.size());
  Tensor out(array.type, shape);
  for (size_t i = 0; i < records.size(); ++i) {
    BW_CHECK(records[i] >= 0 && static_cast<size_t>(records[i]) < rows);
    const auto row = array.elements.subspan(static_cast<size_t>(records[i]) * row_bytes, row_bytes);
    if (row_bytes > 0) std::memcpy(out.raw() + i * row_bytes, row.data(), row_bytes);
    if (row_bytes >= kForgotten) forget_pages(row.data(), row_bytes);
  }
  if (array.type == DType::boolean)
    for (std::byte* at = out.raw(); at != out.raw() + out.bytes(); ++at) *at = std::byte{*at != std::byte{0}};
  return out;
}

Tensor join_rows(const std::vector<Tensor>& parts, const std::string& where) {
  if (parts.size() == 1) return parts[0];
  Shape shape = parts[0].shape();
  for (size_t i = 1; i < parts.size(); ++i) {
    Shape other = parts[i].shape();
    const bool fits = !shape.empty() && other.size() == shape.size() && parts[i].dtype() == parts[0].dtype() &&
                      std::equal(shape.begin() + 1, shape.end(), other.begin() + 1) && bits_of(parts[i].dtype()) >= 8;
    if (!fits)
      fail(ErrorCode::mismatch, where, ": ", to_string(shape), " and ", to_string(other),
           " cannot be one batch; read one record at a time");
    shape[0] += other[0];
  }
  Tensor whole(parts[0].dtype(), shape);
  std::byte* at = whole.raw();
  for (const Tensor& part : parts) {
    if (part.bytes() > 0) std::memcpy(at, part.raw(), part.bytes());
    at += part.bytes();
  }
  return whole;
}

std::unique_ptr<Dataset> array_dataset(std::vector<Array> arrays, const DataOptions& options,
                                       const std::string& where) {
  return std::make_unique<Arrays>(std::move(arrays), options, where);
}

}  // namespace bitwright
