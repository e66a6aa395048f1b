#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/mege.h>
#include <vitrail/metric.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "attribution/random.h"
#include "evaluation/stability/distance_sweep.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Mege, IsTheMeanDistanceTurnedRound) {
  EXPECT_DOUBLE_EQ(mege_of_distances({.equal = {1, 2, 3}, .different = {5}}).mege, 1.0 / 3);
  EXPECT_DOUBLE_EQ(mege_of_distances({.equal = {0, 0}, .different = {0}}).mege, 1);
}

TEST(Reco, OfDistancesThatSeparateIsOne) {
  const Mege result = mege_of_distances({.equal = {0.3, 0.1, 0.2}, .different = {0.5, 0.4}});
  EXPECT_DOUBLE_EQ(result.reco, 1);
  EXPECT_DOUBLE_EQ(result.threshold, 0.3);
}

TEST(Reco, OfDistancesThatDoNotIsZero) {
  const Mege alike = mege_of_distances({.equal = {1, 2, 3}, .different = {1, 2, 3}});
  EXPECT_EQ(alike.reco, 0);
  EXPECT_TRUE(std::isnan(alike.threshold));
  EXPECT_EQ(mege_of_distances({.equal = {4, 5}, .different = {1, 2}}).reco, 0);  // the wrong way round
}

TEST(Reco, CountsTiesWithTheThresholdUnlessStrict) {
  // g = 0 and g = 1 both give 1/2. Strictly: 0 at 0, 1/2 + 1/2 - 1 at 1, 0 at 2.
  const FoldDistances distances = {.equal = {0, 1}, .different = {1, 2}};
  EXPECT_DOUBLE_EQ(mege_of_distances(distances).reco, 0.5);
  EXPECT_DOUBLE_EQ(mege_of_distances(distances).threshold, 0);
  EXPECT_EQ(mege_of_distances(distances, true).reco, 0);
  EXPECT_DOUBLE_EQ(mege_of_distances({.equal = {0, 1}, .different = {2, 3}}, true).reco, 0.5);
}

TEST(Reco, IsTheBestOfAllThresholds) {
  for (uint64_t trial = 0; trial < 20; ++trial) {
    Random random(1, RandomStream::noise, trial);
    FoldDistances distances;
    for (int i = 0; i < 30; ++i) distances.equal.push_back(std::floor(8 * random.uniform()));
    for (int i = 0; i < 20; ++i) distances.different.push_back(std::floor(3 + 8 * random.uniform()));
    double best = 0;
    for (double g = -0.5; g < 12; g += 0.25) {
      const auto below = [&](double d) { return d <= g; };
      const auto tpr = static_cast<double>(std::count_if(distances.equal.begin(), distances.equal.end(), below)) / 30;
      const auto fpr =
          static_cast<double>(std::count_if(distances.different.begin(), distances.different.end(), below)) / 20;
      best = std::max(best, tpr - fpr);
    }
    EXPECT_NEAR(mege_of_distances(distances).reco, best, 1e-12);
  }
}

TEST(Mege, LeavesOutAndCountsDistancesThatDoNotExist) {
  const Mege result = mege_of_distances({.equal = {kNaN, 1}, .different = {kNaN, kNaN, 2}});
  EXPECT_DOUBLE_EQ(result.mege, 0.5);
  EXPECT_DOUBLE_EQ(result.reco, 1);
  EXPECT_EQ(result.equal, 1);
  EXPECT_EQ(result.different, 1);
  EXPECT_EQ(result.undefined, 3);
}

TEST(Mege, WhatHasNoValueSaysWhy) {
  const Mege right = mege_of_distances({.equal = {1}, .different = {kNaN}});
  EXPECT_DOUBLE_EQ(right.mege, 0.5);
  EXPECT_TRUE(std::isnan(right.reco));
  EXPECT_EQ(right.mege_reason, "");
  EXPECT_THAT(right.reco_reason, HasSubstr("exactly one is right"));
  const Mege wrong = mege_of_distances({.equal = {}, .different = {1}});
  EXPECT_TRUE(std::isnan(wrong.mege) && std::isnan(wrong.reco));
  EXPECT_THAT(wrong.mege_reason, HasSubstr("both right"));
  EXPECT_THAT(wrong.reco_reason, HasSubstr("both right"));
}

/// Three models and an image that each was trained without. Maps of one pixel, so that L1 is their difference.
FoldMaps three_models() {
  const auto maps = [](double a, double b, double c) { return at::tensor({a, b, c}).view({3, 1, 1}); };
  return {.maps = {maps(0, 0, 0), maps(1, 2, 4), maps(10, 20, 40)},
          .correct = at::tensor({1, 1, 0, 1, 0, 0, 1, 1, 1}).view({3, 3}).to(at::kBool),
          .folds = {0, 1, 2}};
}

TEST(FoldDistances, AreOfImagesThatOneOfTheTwoWasTrainedWithout) {
  // Models 0, 1: image 0 both right (1), image 1 one (2). 0, 2: image 0 both (10), image 2 one (40).
  // 1, 2: image 1 one (18), image 2 one (36).
  const FoldDistances distances = fold_distances(three_models(), MapDistance::l1);
  EXPECT_THAT(distances.equal, ::testing::ElementsAre(1, 10));
  EXPECT_THAT(distances.different, ::testing::ElementsAre(2, 40, 18, 36));
  const Mege result = mege(three_models(), {.distance = MapDistance::l1});
  EXPECT_DOUBLE_EQ(result.mege, 1 / 6.5);
  EXPECT_DOUBLE_EQ(result.reco, 0.75);  // at 10
}

TEST(FoldDistances, LeaveOutImagesThatNeitherIsRightAbout) {
  FoldMaps study = three_models();
  study.correct = at::zeros({3, 3}, at::kBool);
  EXPECT_TRUE(fold_distances(study, MapDistance::l1).equal.empty());
  EXPECT_TRUE(fold_distances(study, MapDistance::l1).different.empty());
}

TEST(Mege, OfIdenticalModelsIsOne) {
  const Tensor maps = at::rand({4, 6, 7});
  const FoldMaps study = {
      .maps = {maps, maps}, .correct = at::zeros({2, 4}, at::kBool).logical_not(), .folds = {0, 1, 1, 0}};
  for (const MapDistance distance : {MapDistance::sqrt_abs_spearman, MapDistance::l2, MapDistance::ssim})
    EXPECT_NEAR(mege(study, {.distance = distance}).mege, 1, 1e-7);
}

TEST(FoldPairs, SayWhatTheyAreOf) {
  const std::vector<FoldPair> pairs = fold_pairs(three_models(), MapDistance::l1);
  ASSERT_EQ(pairs.size(), 6u);
  EXPECT_EQ(pairs[3].image, 2);
  EXPECT_EQ(pairs[3].first, 0);
  EXPECT_EQ(pairs[3].second, 2);
  EXPECT_FALSE(pairs[3].equal);
  EXPECT_EQ(pairs[3].distance, 40);
}

TEST(FoldPairs, EndWhereTheyAreCancelled) {
  const std::atomic<bool> cancelled = true;
  EXPECT_THROW(fold_pairs(three_models(), MapDistance::l1, {.cancelled = &cancelled}), CancelledError);
}

/// Pairs of 40 images, three each, some of them different and farther apart. Distances of an image go together.
std::vector<FoldPair> pairs_of_forty() {
  std::vector<FoldPair> pairs;
  for (int64_t image = 0; image < 40; ++image) {
    Random random(7, RandomStream::noise, static_cast<uint64_t>(image));
    const double own = random.uniform();
    for (int64_t other = 1; other < 4; ++other) {
      const bool equal = random.uniform() < 0.8;
      const double distance = std::floor(20 * (own + random.uniform() + (equal ? 0 : 0.5))) / 20;
      pairs.push_back({.image = image, .first = 0, .second = other, .equal = equal, .distance = distance});
    }
  }
  return pairs;
}

TEST(DistanceSweep, OfCountsIsThatOfRepeatedDistances) {
  const std::vector<FoldPair> pairs = pairs_of_forty();
  std::vector<PlacedDistance> placed;
  FoldDistances repeated;
  std::vector<int64_t> counts(40);
  for (size_t image = 0; image < counts.size(); ++image) counts[image] = static_cast<int64_t>(image) % 4;
  for (const FoldPair& pair : pairs) {
    const auto image = static_cast<size_t>(pair.image);
    placed.push_back({pair.distance, pair.equal, image});
    for (int64_t i = 0; i < counts[image]; ++i)
      (pair.equal ? repeated.equal : repeated.different).push_back(pair.distance);
  }
  const DistanceSweep sweep(placed);
  for (const bool strict : {false, true}) {
    const Mege expected = mege_of_distances(repeated, strict);
    EXPECT_GT(expected.reco, 0.2);
    EXPECT_NEAR(sweep.mege(counts), expected.mege, 1e-12);
    EXPECT_NEAR(sweep.reco(counts, strict).value, expected.reco, 1e-12);
    EXPECT_EQ(sweep.reco(counts, strict).threshold, expected.threshold);
  }
}

TEST(MegeIntervals, HoldTheValueAndAreOverImages) {
  const std::vector<FoldPair> pairs = pairs_of_forty();
  const Mege value = mege_of_pairs(pairs);
  const MegeIntervals over_images = mege_intervals(pairs, 40);
  EXPECT_LT(over_images.mege.low, value.mege);
  EXPECT_GT(over_images.mege.high, value.mege);
  EXPECT_LT(over_images.reco.low, value.reco);
  EXPECT_GT(over_images.reco.high, value.reco);
  // As if every pair were an image: narrower, as if there were three times as many.
  std::vector<FoldPair> apart = pairs;
  for (size_t i = 0; i < apart.size(); ++i) apart[i].image = static_cast<int64_t>(i);
  const MegeIntervals over_pairs = mege_intervals(apart, 120);
  EXPECT_LT(over_pairs.mege.high - over_pairs.mege.low, 0.9 * (over_images.mege.high - over_images.mege.low));
}

TEST(MegeIntervals, OfIdenticalModelsHaveNoWidth) {
  const std::vector<FoldPair> pairs = {{.image = 0, .equal = true}, {.image = 1, .equal = true}};
  const MegeIntervals intervals = mege_intervals(pairs, 2);
  EXPECT_EQ(intervals.mege.low, 1);
  EXPECT_EQ(intervals.mege.high, 1);
  EXPECT_THAT(intervals.reco.reason, HasSubstr("no value"));
}

TEST(Mege, RefusesStudiesThatDoNotFitTogether) {
  const auto message = [](auto change) {
    FoldMaps study = three_models();
    change(study);
    return message_of<UsageError>([&] { mege(study); });
  };
  EXPECT_THAT(message([](FoldMaps& study) { study.maps.resize(1); }), HasSubstr("found 1 models"));
  EXPECT_THAT(message([](FoldMaps& study) { study.maps[2] = at::rand({3, 1, 2}); }), HasSubstr("all of one size"));
  EXPECT_THAT(message([](FoldMaps& study) { study.folds = {0, 1}; }), HasSubstr("[2,H,W]"));
  EXPECT_THAT(message([](FoldMaps& study) { study.correct = study.correct[0]; }), HasSubstr("bool [3,3]"));
  EXPECT_THAT(message([](FoldMaps& study) { study.folds[1] = 3; }), HasSubstr("found fold 3"));
}

}  // namespace
}  // namespace vitrail
