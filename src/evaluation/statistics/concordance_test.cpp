#include <gmock/gmock.h>
#include <vitrail/concordance.h>
#include <vitrail/error.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::DoubleEq;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::Pointwise;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Concordance, IsTheTextbookExample) {
  // Siegel, Nonparametric Statistics, 1956: three executives rank six applicants; s = 25.5, W = 25.5 / 157.5.
  const Concordance result = concordance({{1, 6, 3, 2, 5, 4}, {1, 5, 6, 4, 2, 3}, {6, 3, 2, 5, 4, 1}});
  EXPECT_DOUBLE_EQ(result.w, 25.5 / 157.5);
  EXPECT_THAT(result.mean_ranks,
              Pointwise(DoubleEq(), std::vector<double>{8.0 / 3, 14.0 / 3, 11.0 / 3, 11.0 / 3, 11.0 / 3, 8.0 / 3}));
  EXPECT_GT(result.p, 0.5);
}

TEST(Concordance, OfMetricsThatAgreeIsOne) {
  const Concordance result = concordance({{0.1, 0.5, 0.2}, {10, 30, 20}, {-9, 4, -2}});
  EXPECT_DOUBLE_EQ(result.w, 1);
  EXPECT_NEAR(result.p, 1.0 / 36, 0.006);  // two metrics have to fall in with the first: 3! orders each
  EXPECT_THAT(result.mean_ranks, Pointwise(DoubleEq(), std::vector<double>{1, 3, 2}));
  EXPECT_DOUBLE_EQ(concordance({{1, 1, 2}, {5, 5, 7}}).w, 1);  // ties included
}

TEST(Concordance, OfTwoThatDisagreeIsZero) {
  const Concordance result = concordance({{1, 2, 3, 4}, {4, 3, 2, 1}});
  EXPECT_EQ(result.w, 0);
  EXPECT_EQ(result.p, 1);
}

TEST(Concordance, IsCorrectedForTies) {
  // Ranks 1.5, 1.5, 3 and 1, 2, 3: sums 2.5, 3.5, 6; T = 6.
  EXPECT_DOUBLE_EQ(concordance({{1, 1, 2}, {1, 2, 3}}).w, 12 * 6.5 / (4 * 24 - 2 * 6));
}

TEST(Concordance, DependsOnTheSeedInItsPValueOnly) {
  const std::vector<std::vector<double>> values = {{1, 2, 3, 4}, {2, 1, 3, 4}, {1, 3, 2, 4}};
  EXPECT_EQ(concordance(values, 1).p, concordance(values, 1).p);
  EXPECT_NE(concordance(values, 1).p, concordance(values, 2).p);
  EXPECT_EQ(concordance(values, 1).w, concordance(values, 2).w);
}

TEST(Concordance, LeavesOutAndCountsMetricsWithoutAValue) {
  const Concordance result = concordance({{1, 2, 3}, {kNaN, 2, 1}, {1, 2, 3}});
  EXPECT_DOUBLE_EQ(result.w, 1);
  EXPECT_EQ(result.metrics, 2);
  EXPECT_EQ(result.undefined, 1);
}

TEST(Concordance, WhatHasNoValueSaysWhy) {
  const Concordance one = concordance({{1, 2, 3}, {kNaN, 2, 1}});
  EXPECT_TRUE(std::isnan(one.w) && std::isnan(one.p));
  EXPECT_THAT(one.reason, HasSubstr("fewer than two"));
  EXPECT_THAT(concordance({}).reason, HasSubstr("fewer than two"));
  const Concordance flat = concordance({{1, 1, 1}, {2, 2, 2}});
  EXPECT_TRUE(std::isnan(flat.w) && std::isnan(flat.p));
  EXPECT_THAT(flat.reason, HasSubstr("no metric puts"));
  EXPECT_THAT(concordance({{1}, {2}}).reason, HasSubstr("no metric puts"));
}

TEST(Concordance, RefusesListsOfDifferentMethods) {
  EXPECT_THAT(message_of<UsageError>([] { concordance({{1, 2, 3}, {1, 2}}); }), HasSubstr("lists of 3 and of 2"));
}

}  // namespace
}  // namespace vitrail
