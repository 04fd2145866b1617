// The idx format of MNIST: a big-endian header of type and extents, then the elements.
#pragma once

#include "io/data/reader.hpp"

namespace bitwright {

struct IdxFile {
  Shape shape;
  Bytes elements;  // u8
  std::shared_ptr<const void> keep;
};

/// Reads an idx file of unsigned bytes, plain or gzipped. Error{malformed, unsupported} starts with the file's path.
IdxFile read_idx(const MappedFile& file);

}  // namespace bitwright
