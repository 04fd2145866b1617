#include "core/tensor.hpp"

#include <gtest/gtest.h>

namespace bitwright {
namespace {

TEST(Half, EveryBitPatternRoundTrips) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = f16_bits_to_f32(static_cast<uint16_t>(bits));
    if (value != value) continue;
    ASSERT_EQ(f32_to_f16_bits(value), bits) << "bits " << bits;
  }
}

TEST(Half, RoundsHalfToEvenAndOverflowsToInfinity) {
  EXPECT_EQ(f32_to_f16_bits(2049.0f), f32_to_f16_bits(2048.0f));
  EXPECT_EQ(f32_to_f16_bits(2051.0f), f32_to_f16_bits(2052.0f));
  EXPECT_EQ(f32_to_f16_bits(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16_bits(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16_bits(0x1p-25f), 0);
  EXPECT_EQ(f32_to_f16_bits(0x1.8p-24f), 2);
}

TEST(Tensor, PackedIntegersAreReadLowBitsFirst) {
  const uint8_t bytes[] = {0x8f, 0x07};
  const Tensor t = Tensor::view(DType::i4, {3}, bytes);
  EXPECT_EQ(values_as_int(t), (std::vector<int64_t>{-1, -8, 7}));
}

TEST(Tensor, AbsurdShapesAreRefused) {
  try {
    Tensor(DType::f32, {int64_t{1} << 40, int64_t{1} << 40});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::resource);
  }
  EXPECT_THROW(Tensor(DType::f32, {0, int64_t{1} << 40, int64_t{1} << 40}), Error);  // strides would overflow
}

TEST(Tensor, ReadingAsAnotherTypeIsAnError) {
  const Tensor t(DType::f16, {0});
  EXPECT_THROW(t.values<float>(), WrongElementType);
  EXPECT_THROW(t.strings(), WrongElementType);
  EXPECT_THROW(value_as_double(t, 0), Error);
}

TEST(Tensor, DeferredDataIsMadeOnceForAllCopies) {
  int made = 0;
  const Tensor later = Tensor::deferred(DType::f32, {2}, [&] {
    ++made;
    return Tensor::of<float>({2}, std::vector<float>{3, 4});
  });
  const Tensor column = later.reshaped({2, 1});
  EXPECT_TRUE(later.has_data());
  EXPECT_EQ(later.bytes(), 8u);
  EXPECT_EQ(made, 0);
  EXPECT_EQ(column.values<float>()[1], 4);
  EXPECT_TRUE(identical(later.clone(), Tensor::of<float>({2}, std::vector<float>{3, 4})));
  EXPECT_EQ(column.raw(), later.raw());
  EXPECT_EQ(made, 1);
  EXPECT_THROW(later.values<int8_t>(), WrongElementType);
}

}  // namespace
}  // namespace bitwright
