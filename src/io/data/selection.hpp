// Parts of a data set by a few words, so that calibration and report never share a record by accident.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bitwright {

/// The records out of `size` that `text` selects, steps applied from left to right, separated by commas:
///   all | A:B | A:B:STEP | :B | A: | odd | even | first N | shuffle SEED
/// Records are lines: `odd` is the first, third, fifth... record (numbers 0, 2, 4...). Ranges are cut at the end of the
/// set. "shuffle 7, first 512" takes 512 at random, the same on every machine. Error{usage} for other words.
std::vector<int64_t> selected_records(int64_t size, const std::string& text);

}  // namespace bitwright
