// Views against plain lists of where each element comes from.
#include "runtime/view.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace bitwright {
namespace {

/// A tensor of places, changed one element at a time.
struct Listed {
  Shape shape;
  std::vector<int64_t> at;

  /// Element i of the result is element from(i) of this.
  template <class F>
  Listed made(Shape wanted, F from) const {
    Listed result{wanted, {}};
    const Shape own = strides_of(shape);
    std::vector<int64_t> index(wanted.size(), 0);
    for (int64_t i = 0; i < elements_of(wanted); ++i) {
      int64_t rest = i;
      for (size_t d = wanted.size(); d-- > 0; rest /= wanted[d]) index[d] = rest % wanted[d];
      const std::vector<int64_t> source = from(index);
      int64_t place = 0;
      for (size_t d = 0; d < own.size(); ++d) place += source[d] * own[d];
      result.at.push_back(at[static_cast<size_t>(place)]);
    }
    return result;
  }
};

class Both {
 public:
  explicit Both(uint32_t seed) : random_(seed) {
    Shape shape(static_cast<size_t>(pick(0, 4)));
    for (int64_t& extent : shape) extent = pick(1, 6);
    view = MemoryView::dense(shape);
    listed = {shape, std::vector<int64_t>(static_cast<size_t>(elements_of(shape)))};
    std::iota(listed.at.begin(), listed.at.end(), 0);
    elements = elements_of(shape);
  }

  void change() {
    const Shape shape = listed.shape;
    if (shape.empty() || pick(0, 3) == 0) return reshape();
    const auto axis = static_cast<size_t>(pick(0, std::ssize(shape) - 1));
    if (shape[axis] == 1 && pick(0, 1)) return repeat(axis, pick(1, 3));
    pick(0, 1) ? permute() : take(axis);
  }

  MemoryView view;
  Listed listed;
  int64_t elements = 0, refused = 0;

 private:
  int64_t pick(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(random_); }

  void permute() {
    std::vector<int64_t> axes(listed.shape.size());
    std::iota(axes.begin(), axes.end(), 0);
    std::shuffle(axes.begin(), axes.end(), random_);
    Shape shape;
    for (const int64_t a : axes) shape.push_back(listed.shape[static_cast<size_t>(a)]);
    listed = listed.made(shape, [&](const std::vector<int64_t>& index) {
      std::vector<int64_t> from(index.size());
      for (size_t d = 0; d < axes.size(); ++d) from[static_cast<size_t>(axes[d])] = index[d];
      return from;
    });
    view = view.permuted(axes);
  }

  /// Some places in order, every second one, backwards, or any.
  void take(size_t axis) {
    const int64_t extent = listed.shape[axis], kind = pick(0, 3);
    std::vector<int64_t> places;
    for (int64_t i = 0; i < extent; i += kind == 1 ? 2 : 1) places.push_back(kind == 3 ? pick(0, extent - 1) : i);
    if (kind == 2) std::reverse(places.begin(), places.end());
    if (pick(0, 1) && places.size() > 1) places.erase(places.begin());
    Shape shape = listed.shape;
    shape[axis] = std::ssize(places);
    listed = listed.made(shape, [&](std::vector<int64_t> index) {
      index[axis] = places[static_cast<size_t>(index[axis])];
      return index;
    });
    view = view.taken(axis, places);
  }

  void repeat(size_t axis, int64_t extent) {
    Shape shape = listed.shape;
    shape[axis] = extent;
    listed = listed.made(shape, [&](std::vector<int64_t> index) {
      index[axis] = 0;
      return index;
    });
    view = view.repeated(axis, extent);
  }

  /// The extents' factors in other groups.
  void reshape() {
    Shape shape;
    int64_t left = std::ssize(listed.at);
    while (left > 1) {
      int64_t extent = pick(1, left);
      while (left % extent != 0) --extent;
      shape.push_back(extent);
      left /= extent;
    }
    const auto reshaped = view.reshaped(shape);
    if (!reshaped) return void(++refused);
    view = *reshaped;
    listed.shape = shape;
  }

  std::mt19937 random_;
};

TEST(MemoryView, AnyChainOfChangesLeavesEveryElementInItsPlace) {
  int64_t refused = 0;
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    Both both(seed);
    for (uint32_t i = 0; i < seed % 6; ++i) both.change();
    refused += both.refused;
    ASSERT_EQ(both.view.shape(), both.listed.shape) << "seed " << seed;
    std::vector<uint32_t> source(static_cast<size_t>(both.elements)), got(both.listed.at.size());
    std::iota(source.begin(), source.end(), 0);
    const Movement movement(both.view.loops(strides_of(both.view.shape())), 4, isa_cap());
    movement.run(source.data() + both.view.offset(), got.data(), 0, movement.rows());
    ASSERT_EQ(std::vector<int64_t>(got.begin(), got.end()), both.listed.at) << "seed " << seed << " by " << movement.name();
    bool dense = true;
    for (size_t i = 0; i < got.size(); ++i) dense = dense && got[i] == got[0] + i;
    EXPECT_EQ(both.view.is_dense(), dense) << "seed " << seed;
  }
  EXPECT_LT(refused, 1500);
}

TEST(MemoryView, ChannelsThatAreNearerThanPixels) {
  const MemoryView plain = MemoryView::dense({2, 6, 4, 5});
  EXPECT_FALSE(plain.runs_along_channels());
  const std::vector<int64_t> axes = {0, 3, 1, 2};
  const MemoryView last = MemoryView::dense({2, 4, 5, 6}).permuted(axes);
  EXPECT_TRUE(last.runs_along_channels());
  const std::vector<int64_t> every_second = {0, 2, 4}, twice = {0, 0, 1, 1, 2, 2};
  EXPECT_TRUE(last.taken(1, every_second).runs_along_channels());
  EXPECT_TRUE(last.taken(2, twice).runs_along_channels());
}

/// Channels in two groups, one after the other of each: what ShuffleNet does with Reshape, Transpose, Reshape is one pick.
TEST(MemoryView, ChannelShuffleIsOnePick) {
  const std::vector<int64_t> axes = {0, 3, 1, 2}, swap = {0, 2, 1, 3, 4}, last = {0, 2, 3, 1};
  const MemoryView images = MemoryView::dense({2, 7, 7, 24}).permuted(axes);
  const auto shuffled = images.reshaped({2, 2, 12, 7, 7})->permuted(swap).reshaped({2, 24, 7, 7});
  ASSERT_TRUE(shuffled);
  const MemoryView wanted = shuffled->permuted(last);
  const Movement movement(wanted.loops(strides_of(wanted.shape())), 1, Isa::ref);
  EXPECT_STREQ(movement.name(), "move_pick_ref");
  EXPECT_EQ(movement.row_bytes(), 24);
}

}  // namespace
}  // namespace bitwright
