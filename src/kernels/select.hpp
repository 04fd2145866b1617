// How every family chooses from its table: the first row that nothing speaks against, and what spoke against those before.
#pragma once

#include <vector>

#include "kernels/isa.hpp"

namespace bitwright {

/// Rows are best first and have a `name`; refuses(row) says why one may not run, or null. Null when none may.
template <class Row, class Refuses>
const Row* select_row(const std::vector<Row>& rows, std::vector<Refusal>& refused, Refuses&& refuses) {
  for (const Row& row : rows) {
    const char* why = refuses(row);
    if (why == nullptr) return &row;
    refused.push_back({row.name, why});
  }
  return nullptr;
}

}  // namespace bitwright
