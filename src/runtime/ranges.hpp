// The range of a value that becomes codes at run time, seen by the step that makes it: two floats, least and greatest value
// and 0, which pieces merge into in any order (least and greatest do not depend on it).
#pragma once

#include <atomic>

#include "runtime/lowering.hpp"

namespace bitwright {

inline void merge_range(float* cell, const float (&seen)[2]) {
  std::atomic_ref<float> lo(cell[0]), hi(cell[1]);
  for (float now = lo.load(); seen[0] < now && !lo.compare_exchange_weak(now, seen[0]);) {}
  for (float now = hi.load(); seen[1] > now && !hi.compare_exchange_weak(now, seen[1]);) {}
}

/// Where a step that makes `value` merges its range: set to 0, 0 before. kNoBuffer where nobody asks for it.
BufferId make_range(Lowering& lowering, ValueId value);

}  // namespace bitwright
