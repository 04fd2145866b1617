#include "io/data/wordpiece.hpp"

#include <algorithm>

#include "core/utf8.hpp"
#include "io/data/reader.hpp"
#include "io/data/unicode.hpp"

namespace bitwright {
namespace {

constexpr size_t kLongestWord = 100;  // code points; a longer word is unknown as a whole
constexpr std::string_view kSpecial[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

std::u32string normalized(std::string_view utf8) {
  std::u32string out;
  for (const char32_t c : decode_utf8(utf8)) {
    if (unicode::is_dropped(c)) continue;
    if (unicode::is_space(c)) {
      out.push_back(' ');
    } else if (unicode::is_ideograph(c)) {
      out.push_back(' ');
      unicode::append_folded(out, c);
      out.push_back(' ');
    } else {
      unicode::append_folded(out, c);
    }
  }
  return out;
}

/// The first special token at or after `from`; an empty view at the end when there is none.
std::string_view next_special(std::string_view text, size_t from) {
  std::string_view found = text.substr(text.size());
  for (const std::string_view token : kSpecial) {
    const size_t at = text.find(token, from);
    if (at != std::string_view::npos && text.data() + at < found.data()) found = text.substr(at, token.size());
  }
  return found;
}

}  // namespace

WordPiece::WordPiece(std::string_view vocabulary, const std::string& where) {
  int64_t id = 0;
  for (const std::string_view line : lines_of(vocabulary)) {
    ids_.insert_or_assign(std::string(line), id++);
    longest_ = std::max(longest_, line.size());
  }
  const auto special = [&](const std::string& token) {
    const auto found = ids_.find(token);
    if (found == ids_.end())
      fail(ErrorCode::malformed, where, ": the vocabulary has no ", token,
           "; wanted a BERT vocab.txt, one token a line");
    return found->second;
  };
  unknown_ = special("[UNK]");
  start_ = special("[CLS]");
  end_ = special("[SEP]");
  pad_ = special("[PAD]");
}

void WordPiece::append_word(std::u32string_view word, std::vector<int64_t>& out) const {
  const size_t before = out.size();
  bool known = word.size() <= kLongestWord;
  for (size_t start = 0; known && start < word.size();) {
    const std::string prefix = start ? "##" : "";
    size_t end = word.size();
    for (; end > start; --end) {
      const std::string piece = prefix + encode_utf8(word.substr(start, end - start));
      const auto found = piece.size() > longest_ ? ids_.end() : ids_.find(piece);
      if (found == ids_.end()) continue;
      out.push_back(found->second);
      break;
    }
    known = end > start;
    start = end;
  }
  if (known) return;
  out.resize(before);
  out.push_back(unknown_);
}

void WordPiece::append_text(std::string_view utf8, std::vector<int64_t>& out) const {
  const std::u32string text = normalized(utf8);
  const std::u32string_view view = text;
  size_t start = 0;
  const auto finish_word = [&](size_t end) {
    if (end > start) append_word(view.substr(start, end - start), out);
    start = end + 1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (unicode::is_space(text[i])) {
      finish_word(i);
    } else if (unicode::is_punctuation(text[i])) {
      finish_word(i);
      append_word(view.substr(i, 1), out);
    }
  }
  finish_word(text.size());
}

std::vector<int64_t> WordPiece::pieces(std::string_view utf8) const {
  std::vector<int64_t> out;
  size_t at = 0;
  while (at < utf8.size()) {
    const std::string_view special = next_special(utf8, at);
    const auto special_at = static_cast<size_t>(special.data() - utf8.data());
    append_text(utf8.substr(at, special_at - at), out);
    if (!special.empty()) {
      const auto found = ids_.find(std::string(special));
      out.push_back(found == ids_.end() ? unknown_ : found->second);
    }
    at = special_at + special.size();
  }
  return out;
}

std::vector<int64_t> WordPiece::encode(std::string_view utf8, int64_t max_length) const {
  BW_CHECK(max_length >= 2);
  std::vector<int64_t> ids = pieces(utf8);
  ids.resize(std::min(ids.size(), static_cast<size_t>(max_length - 2)));
  ids.insert(ids.begin(), start_);
  ids.push_back(end_);
  return ids;
}

}  // namespace bitwright
