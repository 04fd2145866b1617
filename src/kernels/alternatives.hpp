// Choosing by measurement: where several rows of a table may run, one of them may have been measured fastest (runtime/kernel_choices.hpp).
// All give the same bits.
#pragma once

#include <string_view>

#include "core/error.hpp"
#include "kernels/select.hpp"

namespace bitwright {

/// The row named `wanted` where it may run, else the first that may. `others`: what else could run and is no reference.
template <class Row, class Refuses>
const Row* select_row(const std::vector<Row>& rows, std::string_view wanted, std::vector<Refusal>& refused,
                      std::vector<std::string>& others, Refuses&& refuses) {
  const Row* first = select_row(rows, refused, refuses);
  const Row* chosen = first;
  for (const Row& row : rows)
    if (wanted == row.name && row.isa != Isa::ref && refuses(row) == nullptr) chosen = &row;
  if (chosen != first) refused.push_back({first->name, str("measured slower than ", chosen->name)});
  for (const Row& row : rows)
    if (&row != chosen && row.isa != Isa::ref && refuses(row) == nullptr) others.push_back(row.name);
  return chosen;
}

}  // namespace bitwright
