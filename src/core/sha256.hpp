// SHA-256 (FIPS 180-4), for the manifest that every written model carries: which inputs it was made from.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace bitwright {

/// 64 hexadecimal digits. sha256 of no bytes is e3b0c442...b855.
std::string sha256(std::span<const std::byte> bytes);

}  // namespace bitwright
