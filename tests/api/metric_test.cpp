// What accuracy measures say of numbers that are not finite.
#include <gtest/gtest.h>

#include <cmath>

#include "api/metric.hpp"

namespace bitwright {
namespace {

TEST(Metric, NoiseThatIsNotFiniteIsTheWorst) {
  EXPECT_EQ(decibels(4, 0), INFINITY);
  EXPECT_DOUBLE_EQ(decibels(100, 1), 20);
  EXPECT_EQ(decibels(4, NAN), -INFINITY);
  EXPECT_EQ(decibels(4, INFINITY), -INFINITY);
}

TEST(Metric, EqualValuesDoNotDiffer) {
  EXPECT_EQ(difference(2, 5), 3);
  EXPECT_EQ(difference(-INFINITY, -INFINITY), 0);
  EXPECT_EQ(difference(NAN, NAN), 0);
  EXPECT_TRUE(std::isnan(difference(1, NAN)));
}

}  // namespace
}  // namespace bitwright
