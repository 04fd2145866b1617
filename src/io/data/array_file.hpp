// NumPy's .npy and .npz, read and written. Stored members stay in the mapped file; deflated ones are unpacked once.
#pragma once

#include "io/data/reader.hpp"

namespace bitwright {

/// An array whose elements need not be aligned: rows are copied out.
struct Array {
  std::string name;  // without ".npy"
  DType type = DType::none;
  Shape shape;
  Bytes elements;
  std::shared_ptr<const void> keep;
};

/// One .npy file, versions 1 to 3, little-endian, C order. Error{malformed, unsupported} starts with `where`.
Array parse_npy(Bytes file, std::shared_ptr<const void> keep, const std::string& where);
/// All arrays of an .npz (zip with stored or deflated members, also zip64), in the order of the directory.
std::vector<Array> parse_npz(const MappedFile& file);

/// Records along the first axis of every array: [records] + shape[1:], of the stored type.
Tensor gather_rows(const Array& array, std::span<const int64_t> records);

/// One tensor of all, along the first axis, which is the batch; a single tensor may have any shape. Error{mismatch} starts
/// with `where`.
Tensor join_rows(const std::vector<Tensor>& parts, const std::string& where);

/// A Dataset of arrays: the one called `labels`, `label` or `y` holds the classes, the others are inputs by name.
/// Error{mismatch} when the arrays differ in records or the labels are no integers.
std::unique_ptr<Dataset> array_dataset(std::vector<Array> arrays, const DataOptions& options, const std::string& where);

/// Writes arrays that NumPy reads: stored members, no compression. Types that NumPy lacks become f32. The file appears whole
/// or not at all. Errors: io, unsupported (strings, 4 GB and more).
struct NamedTensor {
  std::string name;
  Tensor tensor;
};
void write_npz(const std::string& path, std::span<const NamedTensor> arrays);

}  // namespace bitwright
