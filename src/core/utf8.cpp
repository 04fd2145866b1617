#include "core/utf8.hpp"

#include <algorithm>

namespace bitwright {
namespace {

/// Length of the UTF-8 sequence at the start of `text` and its code point; 0 where there is none.
size_t sequence_at(std::string_view text, char32_t& c) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (length == 0 || length > text.size()) return 0;
  c = length == 1 ? lead : lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return 0;
    c = (c << 6) | (next & 0x3f);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = c >= 0xd800 && c < 0xe000;
  return c < least[length] || surrogate || c > 0x10ffff ? 0 : length;
}

}  // namespace

std::u32string decode_utf8(std::string_view utf8) {
  std::u32string out;
  while (!utf8.empty()) {
    char32_t c = 0xfffd;
    const size_t length = sequence_at(utf8, c);
    out.push_back(length ? c : 0xfffd);
    utf8.remove_prefix(std::max<size_t>(1, length));
  }
  return out;
}

std::string encode_utf8(std::u32string_view text) {
  std::string out;
  const auto tail = [&](char32_t c, int shift) { out.push_back(static_cast<char>(0x80 | ((c >> shift) & 0x3f))); };
  for (const char32_t c : text) {
    if (c < 0x80) {
      out.push_back(static_cast<char>(c));
    } else if (c < 0x800) {
      out.push_back(static_cast<char>(0xc0 | (c >> 6))), tail(c, 0);
    } else if (c < 0x10000) {
      out.push_back(static_cast<char>(0xe0 | (c >> 12))), tail(c, 6), tail(c, 0);
    } else {
      out.push_back(static_cast<char>(0xf0 | (c >> 18))), tail(c, 12), tail(c, 6), tail(c, 0);
    }
  }
  return out;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    char32_t c = 0;
    const size_t length = sequence_at(text, c);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string one_line(std::string_view text, size_t most) {
  if (text.size() > most) {
    const size_t tail = most / 3;
    return one_line(text.substr(0, most - tail), most) + " ... " + one_line(text.substr(text.size() - tail), most);
  }
  std::string out;
  while (!text.empty()) {
    char32_t c = 0;
    const size_t length = std::max<size_t>(1, sequence_at(text, c));
    const auto byte = static_cast<unsigned char>(text[0]);
    const bool control = length == 1 && (byte < 0x20 || byte >= 0x7f);
    const bool second_set = length == 2 && c < 0xa0;  // C1 controls
    for (size_t i = 0; i < length; ++i) {
      const auto b = static_cast<unsigned char>(text[i]);
      if (control || second_set) out += {'\\', 'x', "0123456789abcdef"[b >> 4], "0123456789abcdef"[b & 15]};
      else out += static_cast<char>(b);
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace bitwright
