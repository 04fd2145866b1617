#include "io/data/inflate.hpp"

#include <array>
#include <climits>
#include <cstdlib>

#define STBI_NO_STDIO
#include <stb/stb_image.h>

namespace bitwright {
namespace {

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0xedb88320u : 0);
    table[i] = value;
  }
  return table;
}

/// Length of the header of a gzip member.
size_t gzip_header(Bytes file, const std::string& where) {
  enum : unsigned { header_crc = 2, extra = 4, name = 8, comment = 16 };
  if (file.size() < 18 || file[0] != std::byte{0x1f} || file[1] != std::byte{0x8b} || file[2] != std::byte{8})
    fail(ErrorCode::malformed, where, ": is not a gzip file");
  const auto flags = static_cast<unsigned>(file[3]);
  size_t at = 10;
  if (flags & extra) at += 2u + little_endian<uint16_t>(file, at);
  for (const unsigned text : {name, comment}) {
    if (!(flags & text)) continue;
    while (at < file.size() && file[at] != std::byte{0}) ++at;
    ++at;
  }
  if (flags & header_crc) at += 2;
  if (at + 8 > file.size()) fail(ErrorCode::malformed, where, ": ends inside the gzip header");
  return at;
}

}  // namespace

uint32_t crc32(Bytes bytes) {
  static constexpr auto table = make_crc_table();
  uint32_t crc = 0xffffffffu;
  for (const std::byte b : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<uint32_t>(b)) & 255];
  return ~crc;
}

Unpacked inflate(Bytes packed, uint64_t size, uint32_t crc, const std::string& where) {
  if (size > most_inflated(packed.size()))
    fail(ErrorCode::malformed, where, ": ", packed.size(), " bytes cannot unpack to the ", size, " bytes it claims");
  if (size > INT_MAX || packed.size() > INT_MAX - 8)
    fail(ErrorCode::unsupported, where, ": is larger than 2 GB packed; store it uncompressed");
  void* memory = std::malloc(size + 1);
  if (!memory) fail(ErrorCode::resource, where, ": no memory to unpack ", human_bytes(static_cast<double>(size)));
  std::shared_ptr<const void> keep(memory, [](const void* p) { std::free(const_cast<void*>(p)); });
  // stb refuses the last codes when no byte follows them (in a zlib stream the checksum does): give it some zeros.
  std::string padded(text_of(packed));
  padded.append(8, '\0');
  const int got = stbi_zlib_decode_noheader_buffer(static_cast<char*>(memory), static_cast<int>(size), padded.data(),
                                                   static_cast<int>(padded.size()));
  const Bytes bytes(static_cast<const std::byte*>(memory), size);
  if (got < 0 || static_cast<uint64_t>(got) != size || crc32(bytes) != crc)
    fail(ErrorCode::malformed, where, ": the compressed data are damaged");
  return {bytes, keep};
}

Unpacked gunzip(Bytes file, const std::string& where) {
  const size_t header = gzip_header(file, where);
  const size_t trailer = file.size() - 8;
  return inflate(file.subspan(header, trailer - header), little_endian<uint32_t>(file, trailer + 4),
                 little_endian<uint32_t>(file, trailer), where);
}

}  // namespace bitwright
