// SHA-256 (FIPS 180-4), for the manifest that every written model carries: which inputs it was made from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace bitwright {

/// Of bytes that come in pieces.
class Sha256 {
 public:
  void add(std::span<const std::byte> bytes);
  /// Of all that was added; 64 hexadecimal digits.
  std::string text() const;

 private:
  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block_ = {};  // begun
  uint64_t bytes_ = 0;
};

/// 64 hexadecimal digits. sha256 of no bytes is e3b0c442...b855.
std::string sha256(std::span<const std::byte> bytes);

}  // namespace bitwright
