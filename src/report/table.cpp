#include "report/table.hpp"

#include <algorithm>
#include <cstdio>

#include "core/utf8.hpp"

namespace bitwright {
namespace {

// Characters, not bytes: continuation bytes of UTF-8 take no room.
size_t width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

TextTable::TextTable(std::vector<std::string> titles) : titles_(std::move(titles)) {
  for (std::string& title : titles_) {
    right_.push_back(!title.empty() && title[0] == '>');
    if (right_.back()) title.erase(0, 1);
  }
}

void TextTable::row(std::vector<std::string> cells) {
  cells.resize(titles_.size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::text() const {
  std::vector<size_t> widths;
  for (const std::string& title : titles_) widths.push_back(width(title));
  auto rows = rows_;
  for (auto& cells : rows)
    for (std::string& cell : cells) cell = one_line(cell);
  for (const auto& cells : rows)
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], width(cells[i]));
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string fill(widths[i] - width(cells[i]), ' ');
      text += (i ? "  " : "") + (right_[i] ? fill + cells[i] : cells[i] + fill);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line(titles_);
  std::vector<std::string> rules;
  for (const size_t w : widths) rules.emplace_back(w, '-');
  line(rules);
  for (const auto& cells : rows) line(cells);
  return out;
}

DocumentList TextTable::document() const {
  DocumentList list;
  for (const auto& cells : rows_) {
    Document row{DocumentTable{}};
    for (size_t i = 0; i < titles_.size(); ++i) row.set(titles_[i], cells[i]);
    list.push_back(std::move(row));
  }
  return list;
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string count_text(double value) {
  const char* unit = "";
  if (value >= 1e9) value /= 1e9, unit = " G";
  else if (value >= 1e6) value /= 1e6, unit = " M";
  else if (value >= 1e4) value /= 1e3, unit = " k";
  else return fixed(value, 0);
  return fixed(value, 2) + unit;
}

}  // namespace bitwright
