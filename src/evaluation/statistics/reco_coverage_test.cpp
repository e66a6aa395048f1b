// How often the intervals of MeGe and ReCo hold the true values: those of a sample so large that it has no error beside
// that of a hundred images.

#include <gmock/gmock.h>
#include <vitrail/mege.h>

#include <cmath>
#include <cstdint>
#include <iostream>
#include <random>
#include <vector>

namespace vitrail {
namespace {

/// Three distances an image, which go together; those of pairs of which one is wrong are larger by 1.5 deviations.
std::vector<FoldPair> draw_pairs(int64_t images, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::bernoulli_distribution right(0.7);
  std::vector<FoldPair> pairs;
  for (int64_t image = 0; image < images; ++image) {
    const double shared = normal(random);
    for (int64_t pair = 0; pair < 3; ++pair) {
      const bool equal = right(random);
      const double distance = 5 + (shared + normal(random)) / std::sqrt(2.0) + (equal ? 0 : 1.5);
      pairs.push_back({.image = image, .first = pair, .second = pair + 1, .equal = equal, .distance = distance});
    }
  }
  return pairs;
}

TEST(MegeIntervals, HoldTheTrueValuesAboutAsOftenAsTheySay) {
  constexpr int kRepetitions = 300, kImages = 100;
  std::mt19937_64 random(1);
  const Mege truth = mege_of_pairs(draw_pairs(200000, random));
  int mege = 0, reco = 0, above = 0, below = 0;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    const MegeIntervals found = mege_intervals(draw_pairs(kImages, random), kImages, false, {.resamples = 1000});
    mege += found.mege.low <= truth.mege && truth.mege <= found.mege.high;
    reco += found.reco.low <= truth.reco && truth.reco <= found.reco.high;
    above += found.reco.low > truth.reco;
    below += found.reco.high < truth.reco;
  }
  std::cout << "true MeGe " << truth.mege << ", ReCo " << truth.reco << "; held by " << mege << " and " << reco
            << " of " << kRepetitions << " intervals of 95 %; of ReCo " << above << " lie above it, " << below
            << " below\n";
  // Of 95 %, 285 and four standard deviations of sqrt(300 .95 .05) = 3.8.
  EXPECT_GE(mege, 270);
  // ReCo is the best of many thresholds, and too high: its intervals hold it less often, about nine times in ten.
  // 270 and four standard deviations of sqrt(300 .9 .1) = 5.2.
  EXPECT_GE(reco, 249);
  EXPECT_GT(above, below);
}

}  // namespace
}  // namespace vitrail
