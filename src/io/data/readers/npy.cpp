// One NumPy array, records along the first axis.
#include "io/data/array_file.hpp"

namespace bitwright {
namespace {

bool recognises(const DataPath& at) { return at.head.substr(0, 6) == "\x93NUMPY"; }

std::unique_ptr<Dataset> open(const DataPath& at, const DataOptions& options) {
  const MappedFile file = MappedFile::open(at.path);
  return array_dataset({parse_npy(file.bytes, file.keep, at.path)}, options, at.path);
}

}  // namespace

const Reader& reader_npy() {
  static const Reader reader{"npy", "one NumPy array, records along the first axis", recognises, open};
  return reader;
}

}  // namespace bitwright
