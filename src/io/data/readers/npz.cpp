// NumPy arrays by name, and their labels.
#include "io/data/array_file.hpp"

namespace bitwright {
namespace {

bool recognises(const DataPath& at) { return at.extension == ".npz"; }

std::unique_ptr<Dataset> open(const DataPath& at, const DataOptions& options) {
  return array_dataset(parse_npz(MappedFile::open(at.path)), options, at.path);
}

}  // namespace

const Reader& reader_npz() {
  static const Reader reader{"npz", "NumPy arrays named as the inputs, with `labels` or `y`", recognises, open};
  return reader;
}

}  // namespace bitwright
