#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/average_stability.h>
#include <vitrail/error.h>
#include <vitrail/map_distance.h>

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "evaluation/ssim.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using enum MapDistance;

constexpr MapDistance kAll[] = {sqrt_abs_spearman, one_minus_abs_spearman, one_minus_spearman, l1, l2,
                                MapDistance::ssim};

TEST(MapDistance, KnowsAHandComputedCase) {
  // Ranks 1 2 3 4 and 2 1 3 4: rho = 1 - 6 x 2 / (4 x 15) = 0.8; differences 1, 1, 0, 6.
  const Tensor a = at::tensor({0.0f, 1.0f, 2.0f, 3.0f}).view({2, 2}),
               b = at::tensor({1.0f, 0.0f, 2.0f, 9.0f}).view({2, 2});
  EXPECT_NEAR(map_distance(a, b, one_minus_spearman), 0.2, 1e-12);
  EXPECT_NEAR(map_distance(a, b, one_minus_abs_spearman), 0.2, 1e-12);
  EXPECT_NEAR(map_distance(a, b, sqrt_abs_spearman), std::sqrt(0.2), 1e-12);
  EXPECT_DOUBLE_EQ(map_distance(a, b, l1), 8);
  EXPECT_DOUBLE_EQ(map_distance(a, b, l2), std::sqrt(38));
  EXPECT_DOUBLE_EQ(map_distance(a, b, MapDistance::ssim), 1 - vitrail::ssim(a, b));
  // The negative: rho = -0.8.
  EXPECT_NEAR(map_distance(a, -b, one_minus_spearman), 1.8, 1e-12);
  EXPECT_NEAR(map_distance(a, -b, sqrt_abs_spearman), std::sqrt(0.2), 1e-12);
}

TEST(MapDistance, GivesTiesTheirMeanRank) {
  // Ranks 1.5 1.5 3 and 1 2 3: rho = 1.5 / sqrt(1.5 x 2).
  const Tensor a = at::tensor({0.0, 0.0, 1.0}).view({1, 3}), b = at::tensor({0.0, 1.0, 2.0}).view({1, 3});
  EXPECT_NEAR(map_distance(a, b, one_minus_spearman), 1 - std::sqrt(0.75), 1e-12);
}

TEST(MapDistance, OfAMapWithItselfIsZeroAndSidesDoNotMatter) {
  const Tensor a = at::rand({12, 13}), b = at::rand({12, 13}).t().contiguous().t();
  for (const MapDistance distance : kAll) {
    EXPECT_NEAR(map_distance(a, a, distance), 0, 1e-7);
    EXPECT_DOUBLE_EQ(map_distance(a, b, distance), map_distance(b, a, distance));
  }
}

TEST(MapDistance, OfWhatHasNoneIsNoNumber) {
  const Tensor map = at::rand({3, 4}), zeros = at::zeros({3, 4});
  for (const MapDistance distance : {sqrt_abs_spearman, one_minus_abs_spearman, one_minus_spearman})
    EXPECT_TRUE(std::isnan(map_distance(map, zeros, distance)));
  Tensor broken = map.clone();
  broken[1][1] = std::numeric_limits<float>::infinity();
  for (const MapDistance distance : kAll) EXPECT_TRUE(std::isnan(map_distance(map, broken, distance)));
}

TEST(MapDistance, HasANameThatReadsBack) {
  std::vector<MapDistance> found;
  for (const std::string& name : map_distances()) found.push_back(parse_map_distance(name));
  EXPECT_THAT(found, ::testing::ElementsAreArray(kAll));
  EXPECT_EQ(name_of(sqrt_abs_spearman), "sqrt_abs_spearman");
  EXPECT_THAT(testing::message_of<UsageError>([] { parse_map_distance("one_minus_abs_sperman"); }),
              ::testing::HasSubstr("Did you mean \"one_minus_abs_spearman\"?"));
}

TEST(MapDistance, IsNotTheDistanceOfAverageStability) {
  // Both headers at once: each has an enumeration of its own, of other distances.
  EXPECT_FALSE((std::is_same_v<decltype(AverageStabilityOptions::distance), MapDistance>));
}

TEST(MapDistance, RefusesMapsOfDifferentSizes) {
  EXPECT_THAT(testing::message_of<UsageError>([] { map_distance(at::rand({3, 4}), at::rand({4, 3}), l1); }),
              ::testing::HasSubstr("of the same size"));
}

}  // namespace
}  // namespace vitrail
