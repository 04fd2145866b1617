#include "io/data/idx.hpp"

#include "io/data/inflate.hpp"

namespace bitwright {

IdxFile read_idx(const MappedFile& file) {
  Bytes bytes = file.bytes;
  std::shared_ptr<const void> keep = file.keep;
  if (bytes.size() > 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b}) {
    const Unpacked unpacked = gunzip(bytes, file.path);
    bytes = unpacked.bytes;
    keep = unpacked.keep;
  }
  if (bytes.size() < 4 || bytes[0] != std::byte{0} || bytes[1] != std::byte{0})
    fail(ErrorCode::malformed, file.path, ": is not an idx file");
  if (bytes[2] != std::byte{8})
    fail(ErrorCode::unsupported, file.path, ": holds elements of idx type ", static_cast<unsigned>(bytes[2]),
         "; only unsigned bytes (8) are read");
  const auto rank = static_cast<size_t>(bytes[3]);
  if (rank == 0 || rank > 4) fail(ErrorCode::malformed, file.path, ": claims ", rank, " dimensions, wanted 1 to 4");
  if (bytes.size() < 4 + 4 * rank) fail(ErrorCode::malformed, file.path, ": ends inside the header");
  IdxFile idx;
  for (size_t axis = 0; axis < rank; ++axis) idx.shape.push_back(big_endian32(bytes, 4 + 4 * axis));
  idx.elements = bytes.subspan(4 + 4 * rank);
  idx.keep = std::move(keep);
  unsigned __int128 wanted = 1;
  for (const int64_t extent : idx.shape) wanted *= static_cast<uint64_t>(extent);
  if (wanted != idx.elements.size())
    fail(ErrorCode::malformed, file.path, ": the header says ", to_string(idx.shape), ", the file holds ",
         idx.elements.size(), " elements");
  return idx;
}

}  // namespace bitwright
