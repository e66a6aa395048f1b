#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/variance_split.h>

#include <cmath>
#include <limits>
#include <vector>

#include "attribution/random.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(VarianceSplit, KnowsAHandComputedCase) {
  // Image means 2, 6, 10: MSB = 2 (16 + 0 + 16) / 2 = 32; within 2 + 8 + 2 = 12: MSW = 12 / 3 = 4.
  const VarianceSplit split = split_variance({{1, 3}, {4, 8}, {9, 11}});
  EXPECT_DOUBLE_EQ(split.sampling, 4);
  EXPECT_DOUBLE_EQ(split.images, 14);
  EXPECT_DOUBLE_EQ(split.standard_error, std::sqrt(32.0 / 6));  // that of three independent means
  EXPECT_DOUBLE_EQ(split.standard_error_with(2), split.standard_error);
  EXPECT_DOUBLE_EQ(split.standard_error_with(1), std::sqrt(18.0 / 3));
  EXPECT_FALSE(split.clipped);
}

TEST(VarianceSplit, KnowsUnequalRepeats) {
  // Means 1, 4; 3 and 1 scores: grand mean 1.75; MSB = 3 x 0.5625 + 5.0625 = 6.75; MSW = 2 / 2; n0 = 4 - 10 / 4 = 1.5.
  const VarianceSplit split = split_variance({{0, 1, 2, kNaN}, {4}, {kNaN}});
  EXPECT_EQ(split.image_count, 2);
  EXPECT_EQ(split.count, 4);
  EXPECT_EQ(split.undefined, 2);
  EXPECT_DOUBLE_EQ(split.sampling, 1);
  EXPECT_DOUBLE_EQ(split.images, 5.75 / 1.5);
  EXPECT_DOUBLE_EQ(split.standard_error, std::sqrt(5.75 / 1.5 / 2 + (1.0 / 3 + 1) / 4));
}

TEST(VarianceSplit, IsUnbiased) {
  // Uniform numbers of width w have variance w^2 / 12: 3 for images, 0.75 for sampling.
  double images = 0, sampling = 0;
  constexpr uint64_t studies = 4000;
  for (uint64_t study = 0; study < studies; ++study) {
    Random random(2, RandomStream::noise, study);
    std::vector<std::vector<double>> scores(8, std::vector<double>(3));
    for (auto& list : scores) {
      const double image = 6 * random.uniform();
      for (double& score : list) score = image + 3 * random.uniform();
    }
    const VarianceSplit split = split_variance(scores);
    ASSERT_FALSE(split.clipped);
    images += split.images / studies;
    sampling += split.sampling / studies;
  }
  EXPECT_NEAR(images, 3, 0.06);
  EXPECT_NEAR(sampling, 0.75, 0.01);
}

TEST(VarianceSplit, ClipsANegativeEstimateAndSaysSo) {
  // Equal image means: MSB = 0, MSW = 2.
  const VarianceSplit split = split_variance({{1, 3}, {1, 3}});
  EXPECT_TRUE(split.clipped);
  EXPECT_EQ(split.images, 0);
  EXPECT_DOUBLE_EQ(split.sampling, 2);
  EXPECT_DOUBLE_EQ(split.standard_error, std::sqrt(2.0 / 4));
}

TEST(VarianceSplit, WhatHasNoValueSaysWhy) {
  const VarianceSplit one = split_variance({{1, 3}, {kNaN}});
  EXPECT_TRUE(std::isnan(one.images) && std::isnan(one.sampling) && std::isnan(one.standard_error));
  EXPECT_THAT(one.reason, HasSubstr("fewer than two images"));
  const VarianceSplit single = split_variance({{1}, {3}});
  EXPECT_TRUE(std::isnan(single.images) && std::isnan(single.standard_error_with(2)));
  EXPECT_THAT(single.reason, HasSubstr("no image has two scores"));
  EXPECT_THAT(message_of<UsageError>([&] { single.standard_error_with(0); }), HasSubstr("found 0 repeats"));
}

}  // namespace
}  // namespace vitrail
