#include "runtime/view.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace bitwright {
namespace {

bool is_progression(std::span<const int64_t> at) {
  for (size_t i = 2; i < at.size(); ++i)
    if (at[i] - at[i - 1] != at[1] - at[0]) return false;
  return true;
}

/// Digits for these offsets, which start at 0: one stride, two (a repeated or blocked axis), or the table.
std::vector<Digit> digits_of(std::vector<int64_t> at) {
  const auto count = std::ssize(at);
  if (count == 1) return {};
  if (is_progression(at)) return {{count, at[1], {}}};
  int64_t run = 1;
  while (run < count && at[static_cast<size_t>(run)] == run * at[1]) ++run;
  bool blocked = run > 1 && count % run == 0;
  for (int64_t i = run; blocked && i < count; ++i)
    blocked = at[static_cast<size_t>(i)] == i / run * at[static_cast<size_t>(run)] + i % run * at[1];
  if (blocked) return {{count / run, at[static_cast<size_t>(run)], {}}, {run, at[1], {}}};
  return {{count, 0, std::make_shared<const std::vector<int64_t>>(std::move(at))}};
}

/// Offset of every place of an axis.
std::vector<int64_t> offsets(std::span<const Digit> digits) {
  std::vector<int64_t> at = {0};
  for (const Digit& digit : digits) {
    std::vector<int64_t> finer;
    finer.reserve(at.size() * static_cast<size_t>(digit.extent));
    for (const int64_t from : at)
      for (int64_t i = 0; i < digit.extent; ++i)
        finer.push_back(from + (digit.at ? (*digit.at)[static_cast<size_t>(i)] : i * digit.stride));
    at = std::move(finer);
  }
  return at;
}

void append(std::vector<Digit>& digits, const Digit& digit) {
  if (!digits.empty()) {
    Digit& last = digits.back();
    if (!last.at && !digit.at && last.stride == digit.extent * digit.stride) {
      last.extent *= digit.extent, last.stride = digit.stride;
      return;
    }
  }
  digits.push_back(digit);
}

}  // namespace

MemoryView MemoryView::dense(const Shape& shape) {
  MemoryView view;
  view.shape_ = shape;
  const Shape strides = strides_of(shape);
  for (size_t d = 0; d < shape.size(); ++d)
    view.axes_.push_back(shape[d] == 1 ? std::vector<Digit>() : std::vector<Digit>{{shape[d], strides[d], {}}});
  return view;
}

MemoryView MemoryView::permuted(std::span<const int64_t> axes) const {
  MemoryView view = *this;
  for (size_t i = 0; i < axes.size(); ++i) {
    view.axes_[i] = axes_[static_cast<size_t>(axes[i])];
    view.shape_[i] = shape_[static_cast<size_t>(axes[i])];
  }
  return view;
}

MemoryView MemoryView::taken(size_t axis, std::span<const int64_t> places) const {
  MemoryView view = *this;
  const std::vector<int64_t> from = offsets(axes_[axis]);
  std::vector<int64_t> at;
  for (const int64_t place : places) at.push_back(from[static_cast<size_t>(place)]);
  const int64_t first = at[0];
  for (int64_t& offset : at) offset -= first;
  view.offset_ += first;
  view.shape_[axis] = std::ssize(places);
  view.axes_[axis] = digits_of(std::move(at));
  return view;
}

MemoryView MemoryView::repeated(size_t axis, int64_t extent) const {
  MemoryView view = *this;
  view.shape_[axis] = extent;
  if (extent != 1) view.axes_[axis] = {{extent, 0, {}}};
  return view;
}

MemoryView MemoryView::part(size_t axis, int64_t begin, int64_t extent) const {
  std::vector<int64_t> places(static_cast<size_t>(extent));
  std::iota(places.begin(), places.end(), begin);
  return taken(axis, places);
}

std::optional<MemoryView> MemoryView::reshaped(const Shape& shape) const {
  std::vector<Digit> digits;
  for (const auto& axis : axes_)
    for (const Digit& digit : axis) append(digits, digit);
  std::reverse(digits.begin(), digits.end());  // the next one is at the back
  MemoryView view;
  view.shape_ = shape;
  view.offset_ = offset_;
  for (int64_t wanted : shape) {
    std::vector<Digit>& axis = view.axes_.emplace_back();
    while (wanted > 1) {
      BW_CHECK(!digits.empty());
      Digit& next = digits.back();
      if (wanted % next.extent == 0) {
        wanted /= next.extent;
        axis.push_back(next);
        digits.pop_back();
      } else {
        if (next.at || next.extent % wanted != 0) return {};
        next.extent /= wanted;
        axis.push_back({wanted, next.extent * next.stride, {}});
        wanted = 1;
      }
    }
  }
  return view;
}

bool MemoryView::is_dense() const {
  const auto same = reshaped({elements_of(shape_)});
  const auto& digits = same->axes_[0];
  return digits.empty() || (digits.size() == 1 && !digits[0].at && digits[0].stride == 1);
}

/// The least step along an axis that is none in place; 0 where there is none.
int64_t MemoryView::least_stride(size_t axis) const {
  int64_t least = 0;
  const auto see = [&](int64_t step) {
    if (step != 0 && (least == 0 || std::abs(step) < least)) least = std::abs(step);
  };
  for (const Digit& digit : axes_[axis]) {
    see(digit.stride);
    for (size_t i = 1; digit.at && i < digit.at->size(); ++i) see((*digit.at)[i] - (*digit.at)[i - 1]);
  }
  return least;
}

bool MemoryView::runs_along_channels() const {
  if (shape_.size() < 3 || least_stride(1) == 0) return false;
  for (size_t d = 2; d < shape_.size(); ++d)
    if (const int64_t step = least_stride(d); step != 0 && step < least_stride(1)) return false;
  return true;
}

Shape MemoryView::strides() const {
  Shape strides;
  for (const auto& axis : axes_) strides.push_back(axis.empty() ? 0 : axis.back().stride);
  return strides;
}

/// Outermost is what lies farthest apart in the destination.
std::vector<MoveLoop> MemoryView::loops(std::span<const int64_t> dst_strides) const {
  std::vector<MoveLoop> made;
  for (size_t d = 0; d < axes_.size(); ++d) {
    int64_t inner = shape_[d];
    for (const Digit& digit : axes_[d]) {
      inner /= digit.extent;
      made.push_back({digit.extent, digit.stride, inner * dst_strides[d], digit.at ? *digit.at : std::vector<int64_t>()});
    }
  }
  std::stable_sort(made.begin(), made.end(), [](const MoveLoop& a, const MoveLoop& b) { return a.dst > b.dst; });
  return made;
}

}  // namespace bitwright
