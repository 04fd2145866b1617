#include "io/data/unicode.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace bitwright::unicode {
namespace {

struct Range {
  char32_t first, last;
};
struct FoldedRun {
  char32_t first, last, step;
  int32_t difference;
};
struct FoldedText {
  char32_t c;
  uint16_t offset, length;
};

#include "unicode_tables.inc"

template <size_t N>
bool is_in(const Range (&ranges)[N], char32_t c) {
  const auto* at = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                    [](char32_t value, const Range& range) { return value < range.first; });
  return at != std::begin(ranges) && c <= at[-1].last;
}

}  // namespace

bool is_dropped(char32_t c) { return is_in(kDropped, c); }

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || c == 32 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_punctuation(char32_t c) { return is_in(kPunctuation, c); }

bool is_ideograph(char32_t c) {
  static constexpr Range blocks[] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},   {0x20000, 0x2a6df},
                                     {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f}};
  return is_in(blocks, c);
}

void append_folded(std::u32string& out, char32_t c) {
  if (c >= 0xac00 && c <= 0xd7a3) {  // Hangul: the Unicode Standard, section 3.12
    const char32_t index = c - 0xac00, tail = index % 28;
    out.push_back(0x1100 + index / 588);
    out.push_back(0x1161 + index % 588 / 28);
    if (tail) out.push_back(0x11a7 + tail);
    return;
  }
  const auto* text = std::lower_bound(std::begin(kFoldedTexts), std::end(kFoldedTexts), c,
                                      [](const FoldedText& row, char32_t value) { return row.c < value; });
  if (text != std::end(kFoldedTexts) && text->c == c) {
    out.append(kFoldedText + text->offset, text->length);
    return;
  }
  const auto* run = std::upper_bound(std::begin(kFoldedRuns), std::end(kFoldedRuns), c,
                                     [](char32_t value, const FoldedRun& row) { return value < row.first; });
  const bool folds = run != std::begin(kFoldedRuns) && c <= run[-1].last && (c - run[-1].first) % run[-1].step == 0;
  out.push_back(folds ? static_cast<char32_t>(static_cast<int64_t>(c) + run[-1].difference) : c);
}

}  // namespace bitwright::unicode
