#include "base/display.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vitrail {
namespace {

TEST(Display, NumbersAreShort) {
  EXPECT_EQ(show_number(9.123456), "9.123");
  EXPECT_EQ(show_number(-1.5e-9), "-1.5e-09");
  EXPECT_EQ(show_number(std::nan("")), "not a number");
  EXPECT_EQ(show_share(0.6123), "61.2 %");
  EXPECT_EQ(show_share(std::nan("")), "-");
}

TEST(Display, DurationsHaveTheUnitThatFits) {
  EXPECT_EQ(show_duration(0.0184), "18 ms");
  EXPECT_EQ(show_duration(0.9996), "1.0 s");
  EXPECT_EQ(show_duration(9.94), "9.9 s");
  EXPECT_EQ(show_duration(9.96), "10 s");
  EXPECT_EQ(show_duration(59.6), "1 min 0 s");
  EXPECT_EQ(show_duration(200), "3 min 20 s");
  EXPECT_EQ(show_duration(7500), "2 h 5 min");
  EXPECT_EQ(show_duration(std::nan("")), "-");
}

TEST(Display, CostsKnowOneFromMany) {
  EXPECT_EQ(show_cost(1, 0), "1 forward");
  EXPECT_EQ(show_cost(2080, 1), "2080 forwards, 1 backward");
}

}  // namespace
}  // namespace vitrail
