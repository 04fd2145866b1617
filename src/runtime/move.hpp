// Steps that copy: views placed side by side, one after another or around a border, in one pass each.
#pragma once

#include "runtime/plan.hpp"
#include "runtime/view.hpp"

namespace bitwright {

/// Where a value lies: a view of a buffer.
struct Seen {
  BufferId buffer = kNoBuffer;
  MemoryView view;
};

/// A view and where it goes: the axes' strides there, and of the first element the place. In elements.
struct Placed {
  Seen from;
  Shape strides;
  int64_t offset = 0;
};

/// Copies all parts into the buffer `to`. `fill`: the bytes of one element, written first everywhere; none where the parts
/// cover it. Elements of 1, 2, 4 or 8 bytes.
std::unique_ptr<Step> move_step(const std::vector<Placed>& parts, BufferId to, int64_t element_bytes, Isa isa,
                                std::vector<uint8_t> fill = {});

}  // namespace bitwright
