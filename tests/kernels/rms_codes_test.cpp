// The norm of rows of codes: exact sums, the same bits everywhere, near the exact function.
#include "kernels/rows/codes.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support.hpp"

namespace bitwright {
namespace {

struct Case {
  std::vector<uint8_t> codes;
  std::vector<float> scale;
  int32_t zero = 0;

  Case(Random& random, int64_t rows, int64_t length, int32_t zero_point) : zero(zero_point) {
    for (int64_t i = 0; i < rows * length; ++i) codes.push_back(static_cast<uint8_t>(random.in(0, 255)));
    for (int64_t i = 0; i < length; ++i) scale.push_back(static_cast<float>(random.in(-3000, 3000)) / 1000);
  }
  int64_t length() const { return std::ssize(scale); }
  std::vector<float> run(const RmsCodesRow& row) const {
    std::vector<float> y(codes.size() + 8, -9.0f);
    row.kernel({codes.data(), y.data(), length(), zero, 0.03f, scale.data(), 1e-5f}, 0, std::ssize(codes) / length());
    return y;
  }
};

TEST(RmsCodes, TheBitsAreTheSameOnEveryInstructionSetAndNearTheExactOnes) {
  Random random(seed());
  for (const int64_t length : {1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 61, 64, 100, 127, 1000})
    for (const int32_t zero : {0, 3, 128, 255}) {
      const Case c(random, 3, length, zero);
      const auto wanted = c.run(select_rms_codes(Isa::ref));
      for (const RmsCodesRow& row : rms_codes_kernels()) {
        if (!machine_has(row.isa)) continue;
        const auto y = c.run(row);
        EXPECT_EQ(std::memcmp(y.data(), wanted.data(), y.size() * sizeof(float)), 0) << row.name << " length " << length << " zero " << zero;
      }
      for (int64_t r = 0; r < 3; ++r) {
        double squares = 0;
        const auto x = [&](int64_t i) { return 0.03 * (c.codes[static_cast<size_t>(r * length + i)] - zero); };
        for (int64_t i = 0; i < length; ++i) squares += x(i) * x(i);
        const double factor = 1 / std::sqrt(squares / static_cast<double>(length) + 1e-5);
        for (int64_t i = 0; i < length; ++i)
          ASSERT_NEAR(static_cast<double>(wanted[static_cast<size_t>(r * length + i)]), x(i) * factor * static_cast<double>(c.scale[static_cast<size_t>(i)]), 2e-5);
      }
      for (size_t i = c.codes.size(); i < wanted.size(); ++i) EXPECT_EQ(wanted[i], -9.0f);
    }
}

TEST(RmsCodes, SumsOfLongRowsDoNotOverflow) {
  Random random(seed());
  Case c(random, 1, 600001, 0);
  std::fill(c.codes.begin(), c.codes.end(), uint8_t{255});
  std::fill(c.scale.begin(), c.scale.end(), 1.0f);
  for (const RmsCodesRow& row : rms_codes_kernels()) {
    if (!machine_has(row.isa)) continue;
    const auto y = c.run(row);
    EXPECT_NEAR(y[0], 1.0f, 1e-6f) << row.name;
    EXPECT_EQ(y[600000], y[0]) << row.name;
  }
}

TEST(RmsCodes, ARowOfZerosIsZero) {
  Random random(seed());
  Case c(random, 1, 40, 77);
  std::fill(c.codes.begin(), c.codes.end(), uint8_t{77});
  for (const RmsCodesRow& row : rms_codes_kernels())
    EXPECT_TRUE(!machine_has(row.isa) || c.run(row)[39] == 0.0f) << row.name;
}

}  // namespace
}  // namespace bitwright
