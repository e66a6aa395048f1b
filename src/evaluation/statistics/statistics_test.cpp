#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/statistics.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "attribution/random.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::NanSensitiveDoubleEq;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// `count` numbers; exponential ones have mean 1, normal ones mean 0.
std::vector<double> draw(int64_t count, uint64_t index, bool exponential) {
  Random random(99, RandomStream::noise, index);
  std::vector<double> values;
  if (exponential) {
    for (int64_t i = 0; i < count; ++i) values.push_back(-std::log(1 - random.uniform()));
  } else {
    std::vector<float> normal(static_cast<size_t>(count));
    random.fill_normal(normal);
    values.assign(normal.begin(), normal.end());
  }
  return values;
}

double coverage(bool exponential) {
  constexpr int kRepetitions = 2000;
  const double truth = exponential ? 1 : 0;
  int covered = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    const MeanInterval interval = bootstrap_mean(draw(40, static_cast<uint64_t>(i), exponential),
                                                 {.resamples = 500, .seed = static_cast<uint64_t>(i)});
    covered += interval.low <= truth && truth <= interval.high;
  }
  return covered / static_cast<double>(kRepetitions);
}

TEST(Bootstrap, NinetyFivePercentCoverAboutThat) {
  EXPECT_NEAR(coverage(/*exponential=*/false), 0.945, 0.02);
  EXPECT_NEAR(coverage(/*exponential=*/true), 0.935, 0.02);
}

TEST(Bootstrap, LeansTowardsTheLongTail) {
  const std::vector<double> values = {0, 0, 0, 0, 0, 0, 1, 1, 2, 10};
  const MeanInterval interval = bootstrap_mean(values);
  EXPECT_DOUBLE_EQ(interval.mean, 1.4);
  EXPECT_GT(interval.high - interval.mean, 1.5 * (interval.mean - interval.low));
}

TEST(Bootstrap, LeavesOutAndCountsWhatIsNoNumber) {
  const MeanInterval with = bootstrap_mean(std::vector<double>{1, kNaN, 2, 4, kNaN});
  const MeanInterval without = bootstrap_mean(std::vector<double>{1, 2, 4});
  EXPECT_EQ(with.mean, without.mean);
  EXPECT_EQ(with.low, without.low);
  EXPECT_EQ(with.high, without.high);
  EXPECT_EQ(with.n, 3);
  EXPECT_EQ(with.undefined, 2);
}

TEST(Bootstrap, OfTooLittleThereIsNoInterval) {
  EXPECT_TRUE(std::isnan(bootstrap_mean({}).mean));
  const MeanInterval one = bootstrap_mean(std::vector<double>{3});
  EXPECT_EQ(one.mean, 3);
  EXPECT_TRUE(std::isnan(one.low));
  const MeanInterval equal = bootstrap_mean(std::vector<double>{.1, .1, .1});
  EXPECT_EQ(equal.mean, .1);
  EXPECT_EQ(equal.low, .1);
  EXPECT_EQ(equal.high, .1);
  EXPECT_THAT(message_of<UsageError>([] { bootstrap_mean(std::vector<double>{1, 2}, {.level = 1}); }),
              HasSubstr("between 0 and 1"));
}

TEST(Bootstrap, HangsOnTheSeedOnly) {
  const auto values = draw(30, 5, true);
  EXPECT_EQ(bootstrap_mean(values).low, bootstrap_mean(values).low);
  EXPECT_NE(bootstrap_mean(values).low, bootstrap_mean(values, {.seed = 2}).low);
}

TEST(SignFlip, SmallCasesByHand) {
  EXPECT_DOUBLE_EQ(sign_flip_p(std::vector<double>{1, 1, 1}), 2.0 / 8);
  // |sum| of the 8 signs of 1, 2, 4: 7 5 3 1 1 3 5 7; at least 5 are four.
  EXPECT_DOUBLE_EQ(sign_flip_p(std::vector<double>{-1, 2, 4}), 4.0 / 8);
  EXPECT_DOUBLE_EQ(sign_flip_p(std::vector<double>{0, 0}), 1);
}

TEST(SignFlip, DrawsComeCloseToAllSigns) {
  std::vector<double> differences = draw(14, 3, false);
  for (double& d : differences) d += 0.4;
  const double exact = sign_flip_p(differences);
  differences.push_back(0);  // changes nothing but that signs are drawn
  EXPECT_NEAR(sign_flip_p(differences), exact, 0.015);
  EXPECT_EQ(sign_flip_p(differences, 7), sign_flip_p(differences, 7));
}

// P values of differences without a sign are uniform: Kolmogorov's distance of 300 is below .079 in 95 % of cases.
TEST(SignFlip, IsUniformWhereNothingDiffers) {
  std::vector<double> p;
  for (uint64_t i = 0; i < 300; ++i) p.push_back(sign_flip_p(draw(12, 1000 + i, false)));
  std::sort(p.begin(), p.end());
  double distance = 0;
  for (size_t i = 0; i < p.size(); ++i)
    distance = std::max(distance, std::abs(p[i] - static_cast<double>(i + 1) / static_cast<double>(p.size())));
  EXPECT_LT(distance, 0.079);
}

TEST(Holm, ByHand) {
  EXPECT_THAT(
      holm(std::vector<double>{0.01, 0.04, 0.03, 0.005}),
      ElementsAre(DoubleNear(0.03, 1e-12), DoubleNear(0.06, 1e-12), DoubleNear(0.06, 1e-12), DoubleNear(0.02, 1e-12)));
  EXPECT_THAT(holm(std::vector<double>{0.9, kNaN, 0.6}), ElementsAre(1, NanSensitiveDoubleEq(kNaN), 1));
}

TEST(Paired, ByHand) {
  const std::vector<double> a = {3, 5, 2, kNaN, 4}, b = {1, 5, 1, 2, 3};
  const PairedComparison pair = compare_paired(a, b);
  EXPECT_EQ(pair.difference.n, 4);
  EXPECT_EQ(pair.difference.undefined, 1);
  EXPECT_DOUBLE_EQ(pair.difference.mean, 1);
  EXPECT_DOUBLE_EQ(pair.effect, 1 / std::sqrt(2.0 / 3));
  EXPECT_DOUBLE_EQ(pair.share, 3.5 / 4);
  EXPECT_DOUBLE_EQ(pair.p, 4.0 / 16);  // of 2, 0, 1, 1 all alike, and 0 either way
}

TEST(Kendall, ByHand) {
  EXPECT_DOUBLE_EQ(kendall_w({{1, 2, 3, 4}, {10, 20, 30, 40}, {0, 1, 5, 9}}).w, 1);
  EXPECT_DOUBLE_EQ(kendall_w({{1, 2, 3}, {3, 2, 1}}).w, 0);
  // Rank sums 4, 6, 9, 11, about their mean 7.5: squares add up to 29.
  EXPECT_NEAR(kendall_w({{1, 2, 3, 4}, {1, 3, 2, 4}, {2, 1, 4, 3}}).w, 12.0 * 29 / (9 * 60), 1e-12);
  // Alike, with a tie: 1 only with the correction for it.
  EXPECT_DOUBLE_EQ(kendall_w({{1, 1, 3}, {2, 2, 5}}).w, 1);
}

TEST(Kendall, ChanceOfAgreement) {
  // Of 3! orders of the second judge one agrees wholly with the first.
  EXPECT_NEAR(kendall_w({{1, 2, 3}, {1, 2, 3}}).p, 1.0 / 6, 0.02);
  EXPECT_TRUE(std::isnan(kendall_w({{1, 2, 3}}).w));
  EXPECT_TRUE(std::isnan(kendall_w({{1, 1, 1}, {2, 2, 2}}).w));
}

}  // namespace
}  // namespace vitrail
