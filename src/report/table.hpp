// Text tables for terminals and logs: columns as wide as their widest cell, numbers to the right.
#pragma once

#include <string>
#include <vector>

#include "io/document/document.hpp"

namespace bitwright {

class TextTable {
 public:
  /// A column whose title starts with '>' is aligned to the right.
  explicit TextTable(std::vector<std::string> titles);
  void row(std::vector<std::string> cells);
  std::string text() const;
  /// The rows as tables from title to cell, for --json.
  DocumentList document() const;
  bool empty() const { return rows_.empty(); }

 private:
  std::vector<std::string> titles_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

/// printf-like shortcuts for cells: fixed(91.4123, 2) is "91.41"; count(2250000) is "2.25 M".
std::string fixed(double value, int digits);
std::string count_text(double value);

}  // namespace bitwright
