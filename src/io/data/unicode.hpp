// What BERT's tokenizer asks of Unicode: folding case and accents, spaces, punctuation.
#pragma once

#include <string>

namespace bitwright::unicode {

/// Control, format and private characters, U+0000 and U+FFFD: removed before tokenizing. Tab and line ends are kept.
bool is_dropped(char32_t c);
bool is_space(char32_t c);  // White_Space
/// Categories P* and the ASCII symbols.
bool is_punctuation(char32_t c);
/// CJK ideographs, as BERT lists the blocks.
bool is_ideograph(char32_t c);
/// Appends the canonical decomposition of c without nonspacing marks, in lower case.
void append_folded(std::u32string& out, char32_t c);

}  // namespace bitwright::unicode
