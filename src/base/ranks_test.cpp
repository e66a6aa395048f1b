#include "base/ranks.h"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

namespace vitrail {
namespace {

using testing::ElementsAre;

TEST(Ranks, TiesTakeTheMeanOfTheirRanks) {
  EXPECT_THAT(ranks_of(std::vector<double>{3, 1, 3, 3, -2}), ElementsAre(4, 2, 4, 4, 1));
}

TEST(Ranks, CorrelationsByHand) {
  const std::vector<double> a = {1, 2, 3, 4}, b = {1, 8, 27, 64}, c = {4, 3, 2, 1};
  EXPECT_DOUBLE_EQ(rank_correlation(a, b), 1);
  EXPECT_DOUBLE_EQ(rank_correlation(a, c), -1);
  EXPECT_NEAR(correlation(a, b), 0.951369, 1e-6);
}

TEST(Ranks, AConstantListHasNoCorrelation) {
  const std::vector<double> constant(3, 0.1), other = {1, 2, 4};
  EXPECT_TRUE(std::isnan(correlation(constant, other)));
  EXPECT_TRUE(std::isnan(rank_correlation(other, constant)));
}

}  // namespace
}  // namespace vitrail
