// labels.csv: lines `file,label`, where file is inside the folder of the csv.
#pragma once

#include "io/data/reader.hpp"

namespace bitwright {

struct LabelledFile {
  std::string file;
  int64_t label;  // offset added
};

/// All lines in order; empty lines and a first line `file,label` are left out. Error{malformed, mismatch} names the line:
/// no comma, a label that is no number or out of range, a path that leaves the folder.
std::vector<LabelledFile> parse_labels_csv(std::string_view text, const DataOptions& options, const std::string& where);

}  // namespace bitwright
