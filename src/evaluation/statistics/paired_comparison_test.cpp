#include <gmock/gmock.h>
#include <vitrail/paired_comparison.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "attribution/random.h"
#include "evaluation/statistics/sign_flip.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::DoubleEq;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::Pointwise;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Scores = std::vector<std::vector<double>>;

/// The comparison of `differences` with 0.
PairedComparison against_zero(const std::vector<double>& differences, Direction direction = Direction::higher) {
  return compare_methods({differences, std::vector<double>(differences.size(), 0)}, direction).at(0);
}

TEST(SignFlip, CountsEveryPatternOfFewDifferences) {
  const auto p = [](const std::vector<double>& differences) { return sign_flip_p(differences, 0); };
  EXPECT_EQ(p({1}), 1);
  EXPECT_EQ(p({1, 2, 3}), 2.0 / 8);   // all alike only
  EXPECT_EQ(p({3, 1, -1}), 6.0 / 8);  // not 3 - 1 - 1 and its mirror
  EXPECT_EQ(p({2, 2, 2, 2, -3}), 12.0 / 32);
  EXPECT_EQ(p({0.1, 0.2, -0.3}), 1);  // a sum that is 0 but for rounding
  EXPECT_EQ(p({0, 0, 5}), 1);
  EXPECT_EQ(p(std::vector<double>(14, 1)), 2.0 / 16384);
  EXPECT_TRUE(std::isnan(p({})));
}

TEST(SignFlip, OfManyDifferencesIsNeverZeroAndDependsOnTheSeedAlone) {
  EXPECT_EQ(sign_flip_p(std::vector<double>(80, 1), 0), 1e-4);
  std::vector<double> differences;
  for (int i = 0; i < 70; ++i) differences.push_back(std::sin(i) + 0.1);
  const double p = sign_flip_p(differences, 1);
  EXPECT_EQ(sign_flip_p(differences, 1), p);
  EXPECT_NE(sign_flip_p(differences, 2), p);
  EXPECT_NEAR(sign_flip_p(differences, 2), p, 0.03);
}

TEST(SignFlip, IsUniformWhereMethodsAreAlike) {
  constexpr uint64_t lists = 500;
  std::vector<double> p_values;
  for (uint64_t list = 0; list < lists; ++list) {
    Random random(3, RandomStream::noise, list);
    std::vector<double> differences(18);
    for (double& d : differences) d = std::pow(2 * random.uniform() - 1, 3);
    p_values.push_back(sign_flip_p(differences, list));
  }
  std::sort(p_values.begin(), p_values.end());
  double distance = 0;
  for (uint64_t k = 0; k < lists; ++k)
    distance = std::max({distance, std::abs(p_values[k] - static_cast<double>(k) / lists),
                         std::abs(p_values[k] - static_cast<double>(k + 1) / lists)});
  EXPECT_LT(distance, 1.63 / std::sqrt(lists));  // Kolmogorov's bound at 1 %
}

TEST(Holm, IsTheTextbookExample) {
  EXPECT_THAT(holm(std::vector<double>{0.01, 0.04, 0.03, 0.005}),
              Pointwise(DoubleEq(), std::vector<double>{0.03, 0.06, 0.06, 0.02}));
  EXPECT_THAT(holm(std::vector<double>{0.9, 0.6}), Pointwise(DoubleEq(), std::vector<double>{1, 1}));
}

TEST(Holm, CountsNoTestThatHasNoValue) {
  const std::vector<double> adjusted = holm(std::vector<double>{0.02, kNaN, 0.01});
  EXPECT_DOUBLE_EQ(adjusted[0], 0.02);
  EXPECT_TRUE(std::isnan(adjusted[1]));
  EXPECT_DOUBLE_EQ(adjusted[2], 0.02);
}

TEST(PairedComparison, KnowsAHandComputedCase) {
  const PairedComparison pair = against_zero({2, 2, 2, 2, -3});
  EXPECT_DOUBLE_EQ(pair.difference.mean, 1);
  EXPECT_DOUBLE_EQ(pair.p, 0.375);
  EXPECT_DOUBLE_EQ(pair.p_wilcoxon, 0.75);  // signed ranks 2.5, 2.5, 2.5, 2.5, -5
  EXPECT_DOUBLE_EQ(pair.effect, 1 / std::sqrt(5));
  EXPECT_DOUBLE_EQ(pair.share_better, 0.8);
  EXPECT_DOUBLE_EQ(against_zero({2, 2, 2, 2, -3}, Direction::lower).share_better, 0.2);
  EXPECT_DOUBLE_EQ(against_zero({1, 0, 0, -1, 2, 3}).share_better, 4.0 / 6);
  // Zeros are no pairs of Wilcoxon's: of 1, -2, 3 the signed ranks sum to 2; 6 of 8 patterns reach it.
  EXPECT_DOUBLE_EQ(against_zero({1, 0, -2, 3, 0}).p_wilcoxon, 0.75);
}

TEST(PairedComparison, IntervalIsThatOfTheDifferences) {
  const Scores scores = {{1, 5, 2, 8, 3, 9}, {2, 3, 2, 5, 1, 4}};
  const PairedComparison pair = compare_methods(scores, Direction::higher, {.seed = 4}).at(0);
  const Aggregate expected = bootstrap_mean(std::vector<double>{-1, 2, 0, 3, 2, 5}, {.seed = 4});
  EXPECT_EQ(pair.difference.low, expected.low);
  EXPECT_EQ(pair.difference.high, expected.high);
}

/// Method 0 is about 1 above methods 1 and 2, which differ by nothing but chance.
Scores three_methods() {
  Scores scores(3);
  for (int i = 0; i < 20; ++i) {
    scores[1].push_back(std::sin(i));
    scores[0].push_back(scores[1].back() + 1 + 0.1 * (i % 3));
    scores[2].push_back(scores[1].back() + (i % 2 == 0 ? 0.01 : -0.01));
  }
  return scores;
}

TEST(PairedComparison, VerdictsFollowTheDirection) {
  const auto verdicts = [](Direction direction) {
    std::vector<Verdict> verdicts;
    for (const PairedComparison& pair : compare_methods(three_methods(), direction)) verdicts.push_back(pair.verdict);
    return verdicts;
  };
  EXPECT_THAT(verdicts(Direction::higher),
              ::testing::ElementsAre(Verdict::first_better, Verdict::first_better, Verdict::open));
  EXPECT_THAT(verdicts(Direction::lower),
              ::testing::ElementsAre(Verdict::second_better, Verdict::second_better, Verdict::open));
  const auto pairs = compare_methods(three_methods(), Direction::higher);
  EXPECT_EQ(pairs[2].first, 1);
  EXPECT_EQ(pairs[2].second, 2);
  EXPECT_DOUBLE_EQ(pairs[0].p, 1e-4);
  EXPECT_DOUBLE_EQ(pairs[0].p_adjusted, 3e-4);
}

TEST(PairedComparison, AnIntervalAloneIsNoVerdict) {
  // Four images agree: the interval excludes 0, but one of 8 patterns does as well.
  const PairedComparison pair = against_zero({1, 2, 3, 4});
  EXPECT_GT(pair.difference.low, 0);
  EXPECT_DOUBLE_EQ(pair.p, 0.125);
  EXPECT_EQ(pair.verdict, Verdict::open);
}

TEST(PairedComparison, MorePairsAskForMore) {
  // Six images that agree: p = 2 / 64, enough for one pair and not for three.
  const std::vector<double> zeros(6, 0), high = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(compare_methods({high, zeros}, Direction::higher)[0].verdict, Verdict::first_better);
  const auto pairs = compare_methods({high, zeros, zeros}, Direction::higher);
  EXPECT_DOUBLE_EQ(pairs[0].p_adjusted, 6.0 / 64);
  EXPECT_EQ(pairs[0].verdict, Verdict::open);
  EXPECT_EQ(pairs[2].p, 1);
  EXPECT_EQ(pairs[2].p_wilcoxon, 1);
  EXPECT_TRUE(std::isnan(pairs[2].effect));
  EXPECT_EQ(pairs[2].share_better, 0.5);
}

TEST(PairedComparison, LeavesOutImagesThatOneMethodHasNoScoreFor) {
  const PairedComparison pair = compare_methods({{1, kNaN, 3, 4}, {0, 5, kNaN, 1}}, Direction::higher).at(0);
  EXPECT_EQ(pair.difference.n, 2);
  EXPECT_EQ(pair.difference.undefined, 2);
  EXPECT_DOUBLE_EQ(pair.difference.mean, 2);
  EXPECT_DOUBLE_EQ(pair.p, 0.5);
  const PairedComparison none = compare_methods({{1, kNaN}, {kNaN, 2}}, Direction::higher).at(0);
  EXPECT_TRUE(std::isnan(none.p) && std::isnan(none.p_wilcoxon) && std::isnan(none.p_adjusted));
  EXPECT_TRUE(std::isnan(none.share_better) && std::isnan(none.effect));
  EXPECT_EQ(none.verdict, Verdict::open);
}

TEST(PairedComparison, RefusesListsOfDifferentImages) {
  EXPECT_THAT(message_of<UsageError>([] { compare_methods({{1, 2, 3}, {1, 2}}, Direction::higher); }),
              HasSubstr("lists of 3 and of 2"));
}

}  // namespace
}  // namespace vitrail
