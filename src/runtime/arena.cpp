#include <algorithm>

#include "runtime/plan.hpp"

namespace bitwright {
namespace {

constexpr int64_t kAlignment = 64;

int64_t padded_bytes(const Buffer& buffer) {
  return (static_cast<int64_t>(buffer.tensor.bytes()) + kAlignment) / kAlignment * kAlignment;
}

void find_lives(Plan& plan) {
  auto touch = [&](BufferId id, int32_t step) {
    const BufferId root = plan.buffers[static_cast<size_t>(id)].root;
    Buffer& buffer = plan.buffers[static_cast<size_t>(root == kNoBuffer ? id : root)];
    if (buffer.first < 0) buffer.first = step;
    buffer.last = step;
  };
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    for (const BufferId id : plan.steps[s]->writes) touch(id, static_cast<int32_t>(s));
    for (const BufferId id : plan.steps[s]->reads) touch(id, static_cast<int32_t>(s));
  }
  for (const BufferId id : plan.outputs) touch(id, static_cast<int32_t>(plan.steps.size()));
}

}  // namespace

void place_buffers(Plan& plan) {
  find_lives(plan);
  std::vector<Buffer*> waiting, placed;
  for (Buffer& buffer : plan.buffers)
    if (buffer.kind == Buffer::arena && buffer.first >= 0) waiting.push_back(&buffer);
  std::stable_sort(waiting.begin(), waiting.end(),
                   [](const Buffer* a, const Buffer* b) { return padded_bytes(*a) > padded_bytes(*b); });
  plan.arena_bytes = 0;
  for (Buffer* buffer : waiting) {
    std::vector<const Buffer*> rivals;  // alive at the same time, by offset
    for (const Buffer* other : placed)
      if (other->first <= buffer->last && buffer->first <= other->last) rivals.push_back(other);
    std::sort(rivals.begin(), rivals.end(), [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; });
    int64_t offset = 0;
    for (const Buffer* other : rivals) {
      if (offset + padded_bytes(*buffer) <= other->offset) break;
      offset = std::max(offset, other->offset + padded_bytes(*other));
    }
    buffer->offset = offset;
    placed.push_back(buffer);
    plan.arena_bytes = std::max(plan.arena_bytes, offset + padded_bytes(*buffer));
  }
}

BufferId Plan::add_buffer(Buffer::Kind kind, Tensor tensor) {
  Buffer buffer;
  buffer.kind = kind;
  buffer.tensor = std::move(tensor);
  buffers.push_back(std::move(buffer));
  return static_cast<BufferId>(buffers.size() - 1);
}

}  // namespace bitwright
