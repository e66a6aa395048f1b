#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/sequential.h>

#include <cmath>
#include <limits>
#include <vector>

#include "attribution/perturbation/student.h"
#include "attribution/random.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Scores = std::vector<std::vector<double>>;

/// The scores of a method that differs from 0 by `mean` +- `spread` in turn, and 0.
Scores alternating(int64_t images, double mean, double spread) {
  Scores scores(2, std::vector<double>(static_cast<size_t>(images), 0));
  for (int64_t i = 0; i < images; ++i) scores[0][static_cast<size_t>(i)] = mean + (i % 2 == 0 ? spread : -spread);
  return scores;
}

/// Half the interval of `alternating` at look k of n images, among `pairs`.
double half_width(int64_t n, double spread, int64_t k, int64_t pairs) {
  const auto count = static_cast<double>(n);
  const double alpha = spent_alpha(0.05, k) / static_cast<double>(pairs);
  return student_quantile(alpha, count - 1) * spread / std::sqrt(count - 1);
}

TEST(SpentAlpha, SumsToAlpha) {
  double sum = 0;
  for (int64_t k = 100000; k > 0; --k) sum += spent_alpha(0.05, k);
  EXPECT_NEAR(sum, 0.05, 1e-6);
  EXPECT_NEAR(spent_alpha(0.05, 1), 0.0303963551, 1e-10);
}

TEST(Sequential, IntervalIsStudentsAtTheSpentLevel) {
  const PairDecision pair = decide_sequentially(alternating(40, 0.1, 1)).pairs.at(0);
  EXPECT_EQ(pair.images, 32);  // the look at 64 is to come
  EXPECT_NEAR(pair.low, 0.1 - half_width(32, 1, 2, 1), 1e-12);
  EXPECT_NEAR(pair.high, 0.1 + half_width(32, 1, 2, 1), 1e-12);
  EXPECT_EQ(pair.decision, Decision::open);
  Scores three = alternating(40, 0.1, 1);
  three.push_back(three[1]);
  EXPECT_NEAR(decide_sequentially(three).pairs[0].low, 0.1 - half_width(32, 1, 2, 3), 1e-12);
}

TEST(Sequential, StopsAtTheFirstLookThatShowsALargeDifference) {
  for (const double mean : {1.0, -1.0}) {
    const SequentialResult result = decide_sequentially(alternating(64, mean, 1));
    EXPECT_EQ(result.pairs.at(0).decision, Decision::different);
    EXPECT_EQ(result.pairs.at(0).images, 16);
    EXPECT_NEAR(result.pairs.at(0).low, mean - half_width(16, 1, 1, 1), 1e-12);
    EXPECT_TRUE(result.settled);
    EXPECT_EQ(result.next_look, 0);
  }
}

TEST(Sequential, CallsEquivalentWhatLiesWithinTheMargin) {
  const double reach = 0.01 + half_width(16, 1, 1, 1);
  EXPECT_EQ(decide_sequentially(alternating(16, 0.01, 1), {.margin = reach + 1e-9}).pairs[0].decision,
            Decision::equivalent);
  const SequentialResult open = decide_sequentially(alternating(16, 0.01, 1), {.margin = reach - 1e-9});
  EXPECT_EQ(open.pairs[0].decision, Decision::open);
  EXPECT_FALSE(open.settled);
  EXPECT_EQ(open.next_look, 32);
  EXPECT_EQ(decide_sequentially(alternating(32, 0.01, 1), {.margin = reach - 1e-9}).pairs[0].images, 32);
}

TEST(Sequential, KeepsTheFirstDecision) {
  // The first 16 images differ, later ones do the opposite.
  Scores scores = alternating(64, 1, 1);
  for (size_t i = 16; i < 64; ++i) scores[0][i] -= 3;
  const PairDecision pair = decide_sequentially(scores).pairs.at(0);
  EXPECT_EQ(pair.images, 16);
  EXPECT_GT(pair.low, 0);
}

TEST(Sequential, OnePairMayBeOpenWhileOthersAreDecided) {
  Scores scores = alternating(16, 5, 1);
  scores.push_back(alternating(16, 0, 0.1)[0]);
  const SequentialResult result = decide_sequentially(scores);
  EXPECT_EQ(result.pairs[0].decision, Decision::different);
  EXPECT_EQ(result.pairs[1].decision, Decision::different);
  EXPECT_EQ(result.pairs[2].decision, Decision::open);
  EXPECT_EQ(result.pairs[2].first, 1);
  EXPECT_EQ(result.pairs[2].second, 2);
  EXPECT_FALSE(result.settled);
}

TEST(Sequential, EqualDifferencesTellOfTheirSignOnly) {
  const PairDecision alike = decide_sequentially(alternating(16, 0, 0), {.margin = 1}).pairs.at(0);
  EXPECT_EQ(alike.decision, Decision::open);
  EXPECT_TRUE(std::isnan(alike.low) && std::isnan(alike.high));
  // 2^(1 - n) against 0.0304: five images are too few, seven are enough.
  EXPECT_EQ(decide_sequentially(alternating(5, 1, 0), {.looks = {5}}).pairs[0].decision, Decision::open);
  EXPECT_EQ(decide_sequentially(alternating(7, 1, 0), {.looks = {7}}).pairs[0].decision, Decision::different);
}

TEST(Sequential, RarelyCallsAnAccidentADifference) {
  // Three methods that are alike, looks at 16 to 256 images.
  constexpr uint64_t studies = 1000;
  int errors = 0;
  for (uint64_t study = 0; study < studies; ++study) {
    Scores scores;
    for (uint64_t method = 0; method < 3; ++method) {
      std::vector<float> values(256);
      Random(9, RandomStream::noise, 3 * study + method).fill_normal(values);
      scores.emplace_back(values.begin(), values.end());
    }
    bool wrong = false;
    for (const PairDecision& pair : decide_sequentially(scores).pairs) wrong |= pair.decision == Decision::different;
    errors += wrong;
  }
  EXPECT_LE(errors, 0.05 * studies);
  EXPECT_GE(errors, 0.01 * studies);  // and not by never deciding
}

TEST(Sequential, LooksWhereItIsTold) {
  const SequentialResult result = decide_sequentially(alternating(25, 0.1, 1), {.looks = {10, 20}});
  EXPECT_EQ(result.pairs.at(0).images, 20);
  EXPECT_FALSE(result.settled);
  EXPECT_EQ(result.next_look, 0);  // none is left
  EXPECT_EQ(decide_sequentially(alternating(15, 0.1, 1), {.looks = {10, 20}}).next_look, 20);
  const SequentialResult before = decide_sequentially(alternating(9, 5, 1), {.looks = {10, 20}});
  EXPECT_EQ(before.pairs.at(0).images, 0);
  EXPECT_EQ(before.next_look, 10);
}

TEST(Sequential, LeavesOutImagesWithoutAScore) {
  Scores with = alternating(16, 1, 1), without = alternating(14, 1, 1);
  with[0][14] = with[1][15] = kNaN;
  const PairDecision pair = decide_sequentially(with, {.looks = {16}}).pairs.at(0);
  EXPECT_EQ(pair.low, decide_sequentially(without, {.looks = {14}}).pairs.at(0).low);
  const Scores none = {{kNaN, 1}, {1, kNaN}};
  EXPECT_EQ(decide_sequentially(none, {.looks = {2}}).pairs.at(0).decision, Decision::open);
}

TEST(Sequential, RefusesWhatIsNoPlan) {
  const auto message = [](const Scores& scores, const SequentialOptions& options) {
    return message_of<UsageError>([&] { decide_sequentially(scores, options); });
  };
  EXPECT_THAT(message({{1, 2}, {1}}, {}), HasSubstr("lists of 2 and of 1"));
  EXPECT_THAT(message({}, {.alpha = 0}), HasSubstr("found alpha 0"));
  EXPECT_THAT(message({}, {.margin = -1}), HasSubstr("found margin -1"));
  EXPECT_THAT(message({}, {.looks = {8, 8}}), HasSubstr("a look at 8 images after 8"));
  EXPECT_THAT(message({}, {.looks = {1}}), HasSubstr("from 2 on"));
}

}  // namespace
}  // namespace vitrail
