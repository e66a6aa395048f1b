#include "evaluation/statistics/normal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vitrail {
namespace {

TEST(Normal, AgreesWithTables) {
  EXPECT_NEAR(normal_cdf(1.959963984540054), 0.975, 1e-15);
  EXPECT_NEAR(normal_cdf(-6) / 9.865876450376981e-10, 1, 1e-12);
  EXPECT_EQ(normal_cdf(0), 0.5);
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-14);
  EXPECT_NEAR(normal_quantile(1e-9), -5.997807015007687, 1e-13);
}

TEST(Normal, HasItsEnds) {
  EXPECT_EQ(normal_quantile(0), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(normal_quantile(1), std::numeric_limits<double>::infinity());
  EXPECT_EQ(normal_cdf(-std::numeric_limits<double>::infinity()), 0);
}

}  // namespace
}  // namespace vitrail
