// UTF-8 to code points and back.
#pragma once

#include <string>
#include <string_view>

namespace bitwright {

/// The code points of a text; each byte that belongs to none becomes U+FFFD.
std::u32string decode_utf8(std::string_view text);
std::string encode_utf8(std::u32string_view text);
/// False where decode_utf8 would put U+FFFD for a byte.
bool is_utf8(std::string_view text);
/// The text as one line that a terminal shows as it is: control characters and bytes that are not UTF-8 become \xNN (names
/// in broken files hold anything), and of more than `most` bytes the middle is left out.
std::string one_line(std::string_view text, size_t most = 600);

}  // namespace bitwright
