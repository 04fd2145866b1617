// Where the buffers of a plan lie in its one arena: buffers that are alive together lie apart.
#include <algorithm>
#include <random>

#include "runtime/plan.hpp"

namespace bitwright {
namespace {

constexpr int64_t up(int64_t bytes, int64_t to) { return (bytes + to - 1) / to * to; }

/// Lines of the cache; what is less than one (a scale, a range) shares it with others.
int64_t alignment_of(const Buffer& buffer) { return buffer.tensor.bytes() >= 64 ? 64 : 16; }

int64_t padded_bytes(const Buffer& buffer) { return up(static_cast<int64_t>(buffer.tensor.bytes()), alignment_of(buffer)); }

BufferId root_of(const Plan& plan, BufferId id) {
  const BufferId root = plan.buffers[static_cast<size_t>(id)].root;
  return root == kNoBuffer ? id : root;
}

void find_lives(Plan& plan) {
  auto touch = [&](BufferId id, int32_t step) {
    Buffer& buffer = plan.buffers[static_cast<size_t>(root_of(plan, id))];
    if (buffer.first < 0) buffer.first = step;
    buffer.last = step;
  };
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    for (const BufferId id : plan.steps[s]->writes) touch(id, static_cast<int32_t>(s));
    for (const BufferId id : plan.steps[s]->reads) touch(id, static_cast<int32_t>(s));
  }
  for (const BufferId id : plan.outputs) touch(id, static_cast<int32_t>(plan.steps.size()));
}

/// What a step may compute in place of an operand that nobody reads any more becomes an alias of it.
void share_in_place(Plan& plan) {
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const Step& step = *plan.steps[s];
    for (const size_t i : step.in_place) {
      const BufferId from = step.reads[i], to = step.writes[0];
      const Buffer& source = plan.buffers[static_cast<size_t>(from)];
      Buffer& result = plan.buffers[static_cast<size_t>(to)];
      const bool whole = source.kind == Buffer::arena && source.tensor.bytes() == result.tensor.bytes();
      if (!whole || result.kind != Buffer::arena || result.first != static_cast<int32_t>(s) || source.last != static_cast<int32_t>(s)) continue;
      for (Buffer& part : plan.buffers)
        if (part.root == to) part.root = from;
      plan.buffers[static_cast<size_t>(from)].last = result.last;
      result.kind = Buffer::alias, result.root = from, result.offset = 0;
      break;
    }
  }
}

bool together(const Buffer& a, const Buffer& b) { return a.first <= b.last && b.first <= a.last; }

/// One after another at the lowest place that is free while the buffer lives. Returns the arena's bytes.
int64_t place(const std::vector<Buffer*>& order) {
  std::vector<const Buffer*> placed, rivals;
  int64_t bytes = 0;
  for (Buffer* buffer : order) {
    rivals.clear();
    for (const Buffer* other : placed)
      if (together(*other, *buffer)) rivals.push_back(other);
    std::sort(rivals.begin(), rivals.end(), [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; });
    int64_t offset = 0;
    for (const Buffer* other : rivals) {
      if (offset + padded_bytes(*buffer) <= other->offset) break;
      offset = std::max(offset, up(other->offset + padded_bytes(*other), alignment_of(*buffer)));
    }
    buffer->offset = offset;
    placed.push_back(buffer);
    bytes = std::max(bytes, offset + padded_bytes(*buffer));
  }
  return bytes;
}

}  // namespace

int64_t largest_live_set(const Plan& plan) {
  std::vector<int64_t> grows(plan.steps.size() + 2, 0);
  for (const Buffer& buffer : plan.buffers) {
    if (buffer.kind != Buffer::arena || buffer.first < 0) continue;
    grows[static_cast<size_t>(buffer.first)] += padded_bytes(buffer);
    grows[static_cast<size_t>(buffer.last) + 1] -= padded_bytes(buffer);
  }
  int64_t now = 0, most = 0;
  for (const int64_t by : grows) most = std::max(most, now += by);
  return most;
}

/// Largest first is seldom more than a few percent above what must be alive together. Where it is, the buffers that stick out
/// are placed first in the next try, and then two at a time change their turns, as long as that costs little.
void place_buffers(Plan& plan) {
  constexpr int kTries = 24;
  constexpr int64_t kEffort = 1 << 19;  // pairs of buffers looked at: milliseconds
  find_lives(plan);
  share_in_place(plan);
  std::vector<Buffer*> order;
  for (Buffer& buffer : plan.buffers)
    if (buffer.kind == Buffer::arena && buffer.first >= 0) order.push_back(&buffer);
  std::stable_sort(order.begin(), order.end(), [](const Buffer* a, const Buffer* b) { return padded_bytes(*a) > padded_bytes(*b); });
  const int64_t bound = largest_live_set(plan);
  plan.arena_bytes = place(order);
  std::vector<Buffer*> best = order;
  const auto take = [&] {
    if (const int64_t bytes = place(order); bytes <= plan.arena_bytes) plan.arena_bytes = bytes, best = order;
    else order = best;
  };
  for (int i = 1; i < kTries && plan.arena_bytes > bound; ++i) {
    std::stable_partition(order.begin(), order.end(), [&](const Buffer* b) { return b->offset + padded_bytes(*b) > bound; });
    const auto tried = order;
    take();
    order = tried;
  }
  order = best;
  const auto count = std::ssize(order);
  std::mt19937 random(1);
  for (int64_t left = count > 0 ? kEffort / (count * count) : 0; left > 0 && plan.arena_bytes > bound; --left) {
    const auto one = [&] { return static_cast<size_t>(random() % static_cast<uint32_t>(count)); };
    std::swap(order[one()], order[one()]);
    take();
  }
  place(best);
}

std::vector<int64_t> place_scratch(const Plan& plan, int64_t workers, int64_t& bytes) {
  std::vector<int64_t> at;
  std::vector<std::pair<int64_t, int64_t>> taken;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const auto step = static_cast<int32_t>(s);
    const int64_t needed = workers * scratch_stride(*plan.steps[s]);
    taken.clear();
    if (needed > 0)
      for (const Buffer& b : plan.buffers)
        if (b.kind == Buffer::arena && b.first <= step && step <= b.last) taken.emplace_back(b.offset, b.offset + padded_bytes(b));
    std::sort(taken.begin(), taken.end());
    int64_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (offset + needed <= begin) break;
      offset = std::max(offset, up(end, 64));
    }
    at.push_back(offset);
    bytes = std::max(bytes, offset + needed);
  }
  return at;
}

BufferId Plan::add_buffer(Buffer::Kind kind, Tensor tensor) {
  Buffer buffer;
  buffer.kind = kind;
  buffer.tensor = std::move(tensor);
  buffers.push_back(std::move(buffer));
  return static_cast<BufferId>(buffers.size() - 1);
}

}  // namespace bitwright
