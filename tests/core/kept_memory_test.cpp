// Memory for weights and arenas: the same contents, aligned, alive as long as somebody has a part of it.
#include "core/kept_memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace bitwright {
namespace {

Tensor numbers(int64_t count, uint8_t first) {
  Tensor t(DType::u8, {count});
  for (auto& v : t.values<uint8_t>()) v = first++;
  return t;
}

bool aligned(const Tensor& t) { return reinterpret_cast<uintptr_t>(t.raw()) % 64 == 0; }

TEST(KeptMemory, TensorsKeepTheirContentsWhateverWasExpected) {
  for (const size_t expected : {size_t{0}, size_t{1000}, size_t{5} << 20}) {
    KeptMemory memory;
    memory.expect(expected);
    std::vector<Tensor> kept, wanted;
    for (int64_t i = 0; i < 40; ++i) {
      wanted.push_back(numbers(1 + i * i * 97, static_cast<uint8_t>(i)));
      kept.push_back(memory.keep(wanted.back()));
      EXPECT_TRUE(aligned(kept.back()));
    }
    memory.trim();
    for (size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(identical(kept[i], wanted[i])) << i << " of " << expected;
  }
}

TEST(KeptMemory, OneLargerThanAllThatWasExpected) {
  KeptMemory memory;
  memory.expect(1 << 20);
  const Tensor small = memory.keep(numbers(100, 7)), large = memory.keep(numbers(7 << 20, 3)), after = memory.keep(numbers(100, 9));
  memory.trim();
  EXPECT_TRUE(identical(small, numbers(100, 7)));
  EXPECT_TRUE(identical(large, numbers(7 << 20, 3)));
  EXPECT_TRUE(identical(after, numbers(100, 9)));
}

TEST(KeptMemory, ATensorOutlivesIt) {
  Tensor kept;
  {
    KeptMemory memory;
    kept = memory.keep(numbers(5000, 1));
  }
  EXPECT_TRUE(identical(kept, numbers(5000, 1)));
}

TEST(KeptMemory, NothingIsKeptOfNothing) {
  KeptMemory memory;
  EXPECT_EQ(memory.keep(Tensor(DType::i8, {0, 3})).shape(), (Shape{0, 3}));
}

TEST(HugePages, AreZerosAsAnyTensor) {
  for (const int64_t count : {int64_t{0}, int64_t{1}, int64_t{2} << 20, (int64_t{5} << 20) + 1}) {
    const Tensor t = in_huge_pages(DType::u8, {count});
    ASSERT_EQ(t.elements(), count);
    EXPECT_TRUE(aligned(t));
    const auto values = t.values<uint8_t>();
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](uint8_t v) { return v == 0; })) << count;
  }
}

TEST(HugePages, MoreThanThereIsIsAnError) {
  EXPECT_THROW(in_huge_pages(DType::u8, {int64_t{1} << 48}), Error);
}

}  // namespace
}  // namespace bitwright
