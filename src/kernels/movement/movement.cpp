#include "kernels/movement/movement.hpp"

#include <algorithm>

namespace bitwright {

const std::vector<MoveRow>& move_kernels() {
  static const std::vector<MoveRow> rows = {
#define BW_MOVE(form, isa) {MoveForm::form, Isa::isa, "move_" #form "_" #isa, move_##form##_##isa},
#include "kernels/movement/kernels.inc"
#undef BW_MOVE
  };
  return rows;
}

const MoveRow& select_move(MoveForm form, Isa cap) {
  return *std::find_if(move_kernels().begin(), move_kernels().end(),
                       [&](const MoveRow& row) { return row.form == form && !isa_refuses(row.isa, cap); });
}

namespace {

int64_t place(const MoveLoop& loop, int64_t i) { return loop.places.empty() ? i * loop.src : loop.places[static_cast<size_t>(i)]; }

/// Inner steps continue where the outer loop's last one ended, in source and destination.
bool continues(const MoveLoop& outer, const MoveLoop& inner) {
  return outer.places.empty() && inner.places.empty() && outer.src == inner.extent * inner.src && outer.dst == inner.extent * inner.dst;
}

std::vector<MoveLoop> merged(std::vector<MoveLoop> loops) {
  std::vector<MoveLoop> made;
  for (MoveLoop& loop : loops) {
    if (loop.extent == 1 && loop.places.empty()) continue;
    if (!made.empty() && continues(made.back(), loop)) {
      loop.extent *= made.back().extent;
      made.pop_back();
    }
    made.push_back(std::move(loop));
  }
  return made;
}

/// A long run is cut into rows of equal length: threads share them, and picks are planned once for all.
void cut_long(std::vector<MoveLoop>& loops, int64_t element_bytes) {
  if (loops.empty() || loops.back().dst != 1 || !loops.back().places.empty()) return;
  MoveLoop& run = loops.back();
  const bool adjacent = run.src == 1;
  if (adjacent && loops.size() > 1) return;
  const int64_t most = (adjacent ? 1 << 14 : 64) / element_bytes, least = most / 4;
  if (run.extent <= most) return;
  int64_t length = most;
  while (length > least && run.extent % length != 0) --length;
  if (length <= least) return;
  const MoveLoop rows{run.extent / length, length * run.src, length, {}};
  run.extent = length;
  loops.insert(loops.end() - 1, rows);
}

/// Short rows of bytes that lie near each other become one row of picks: a shuffle of channels is one loop, not three.
void join_short(std::vector<MoveLoop>& loops, int64_t element_bytes) {
  constexpr int64_t kShort = 64, kNear = 256;  // bytes
  while (loops.size() >= 2) {
    const MoveLoop &outer = loops[loops.size() - 2], &inner = loops.back();
    if (inner.extent * element_bytes >= kShort || outer.extent * inner.extent * element_bytes > kNear) return;
    if (inner.dst != 1 || outer.dst != inner.extent) return;
    MoveLoop both{outer.extent * inner.extent, 0, 1, {}};
    for (int64_t o = 0; o < outer.extent; ++o)
      for (int64_t i = 0; i < inner.extent; ++i) both.places.push_back(place(outer, o) + place(inner, i));
    const auto [least, most] = std::minmax_element(both.places.begin(), both.places.end());
    if ((*most - *least) * element_bytes >= kNear) return;
    loops.pop_back();
    loops.back() = std::move(both);
  }
}

}  // namespace

Movement::Movement(std::vector<MoveLoop> loops, int64_t element_bytes, Isa isa) : isa_(isa) {
  loops = merged(std::move(loops));
  cut_long(loops, element_bytes);
  join_short(loops, element_bytes);
  if (loops.empty() || loops.back().dst != 1) loops.push_back({1, 1, 1, {}});
  args_.size = element_bytes;
  choose_form(loops);
  for (MoveLoop& loop : loops) {
    loop.src *= element_bytes, loop.dst *= element_bytes;
    for (int64_t& at : loop.places) at *= element_bytes;
    outer_ *= loop.extent;
  }
  loops_ = std::move(loops);
}

/// Takes the loop `at` as the rows of the kernel.
MoveLoop Movement::take_rows(std::vector<MoveLoop>& loops, size_t at) {
  MoveLoop rows = at < loops.size() ? std::move(loops[at]) : MoveLoop{1, 0, 0, {}};
  if (at < loops.size()) loops.erase(loops.begin() + static_cast<int64_t>(at));
  args_.rows = rows.extent;
  args_.src_row = rows.src * args_.size, args_.dst_row = rows.dst * args_.size;
  for (const int64_t from : rows.places) places_.push_back(from * args_.size);
  return rows;
}

void Movement::choose_form(std::vector<MoveLoop>& loops) {
  const MoveLoop inner = std::move(loops.back());
  loops.pop_back();
  const auto longest = static_cast<size_t>(std::max_element(loops.begin(), loops.end(), [](const MoveLoop& a, const MoveLoop& b) {
                                             return a.extent <= b.extent;  // of equal ones the inner
                                           }) - loops.begin());
  const auto across = static_cast<size_t>(std::find_if(loops.begin(), loops.end(), [](const MoveLoop& loop) {
                                            return loop.src == 1 && loop.places.empty();
                                          }) - loops.begin());
  const bool adjacent = inner.places.empty() && (inner.src == 1 || inner.extent == 1);
  if (adjacent) {
    row_ = &select_move(MoveForm::copy, isa_);
    take_rows(loops, longest);
    set_copy(inner.extent);
  } else if (inner.places.empty() && across < loops.size()) {
    row_ = &select_move(MoveForm::transpose, isa_);
    take_rows(loops, across);
    args_.cols = inner.extent, args_.src_col = inner.src * args_.size;
  } else {
    row_ = &select_move(MoveForm::pick, isa_);
    take_rows(loops, longest);
    set_pick(inner);
  }
}

void Movement::set_copy(int64_t elements) {
  args_.cols = elements * args_.size;
  args_.size = 1;
}

void Movement::set_pick(const MoveLoop& inner) {
  int64_t lowest = place(inner, 0);
  for (int64_t i = 1; i < inner.extent; ++i) lowest = std::min(lowest, place(inner, i));
  first_ = lowest * args_.size;
  for (int64_t i = 0; i < inner.extent; ++i)
    for (int64_t b = 0; b < args_.size; ++b)
      pick_.push_back(static_cast<int32_t>((place(inner, i) - lowest) * args_.size + b));
  set_copy(inner.extent);
}

void Movement::run(const void* src, void* dst, int64_t begin, int64_t end) const noexcept {
  while (begin < end) {
    MoveArgs args = args_;
    const int64_t row = begin % args_.rows;
    args.rows = std::min(args_.rows - row, end - begin);
    args.src = static_cast<const uint8_t*>(src) + first_ + (places_.empty() && row_->form != MoveForm::transpose ? row * args_.src_row : 0);
    if (row_->form == MoveForm::transpose) args.src += row * args_.size;
    args.dst = static_cast<uint8_t*>(dst) + row * args_.dst_row;
    args.places = places_.empty() ? nullptr : places_.data() + row;
    args.pick = pick_.data();
    int64_t outer = begin / args_.rows;
    for (size_t l = loops_.size(); l-- > 0; outer /= loops_[l].extent) {
      args.src += place(loops_[l], outer % loops_[l].extent);
      args.dst += outer % loops_[l].extent * loops_[l].dst;
    }
    row_->kernel(args);
    begin += args.rows;
  }
}

}  // namespace bitwright
