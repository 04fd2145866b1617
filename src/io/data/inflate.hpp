// Deflated bytes made whole again, with the size known beforehand and bounded by what deflate can reach, so that a lying
// header cannot ask for more memory than its file could fill.
#pragma once

#include <memory>

#include "io/data/reader.hpp"

namespace bitwright {

/// Bytes that a deflate stream of this length can unpack to at most (1032 times as many).
constexpr uint64_t most_inflated(uint64_t packed) { return packed * 1032 + 64; }

struct Unpacked {
  Bytes bytes;
  std::shared_ptr<const void> keep;
};

/// A raw deflate stream that unpacks to exactly `size` bytes with this CRC-32; otherwise Error{malformed} with `where`.
Unpacked inflate(Bytes packed, uint64_t size, uint32_t crc, const std::string& where);
/// A gzip file of one member (RFC 1952).
Unpacked gunzip(Bytes file, const std::string& where);
/// CRC-32 of zip, gzip and PNG (polynomial 0xedb88320).
uint32_t crc32(Bytes bytes);

}  // namespace bitwright
