#include <gmock/gmock.h>
#include <vitrail/bootstrap.h>
#include <vitrail/error.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "attribution/random.h"
#include "evaluation/statistics/normal.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
const std::vector<double> kSkewed = {0.1, 0.2, 0.2, 0.3, 0.5, 0.9, 1.4, 2.0, 3.5, 6.0};

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Efron and Tibshirani (14.9 to 14.15), step by step: the jackknife leaves every value out in turn.
std::vector<double> bca(const std::vector<double>& values, std::vector<double> means, double level) {
  const double mean = mean_of(values);
  const auto resamples = static_cast<double>(means.size());
  double below = 0;
  for (const double m : means) below += std::abs(m - mean) < 1e-9 ? 0.5 : m < mean ? 1.0 : 0.0;
  const double z0 = normal_quantile(below / resamples);
  std::vector<double> without;
  for (size_t i = 0; i < values.size(); ++i) {
    std::vector<double> rest = values;
    rest.erase(rest.begin() + static_cast<int64_t>(i));
    without.push_back(mean_of(rest));
  }
  double cubes = 0, squares = 0;
  for (const double w : without) {
    cubes += std::pow(mean_of(without) - w, 3);
    squares += std::pow(mean_of(without) - w, 2);
  }
  const double a = cubes / (6 * std::pow(squares, 1.5));
  std::sort(means.begin(), means.end());
  std::vector<double> ends;
  for (const double tail : {(1 - level) / 2, (1 + level) / 2}) {
    const double z = z0 + normal_quantile(tail);
    const double place = normal_cdf(z0 + z / (1 - a * z)) * (resamples - 1);
    const double first = means.at(static_cast<size_t>(place)), second = means.at(static_cast<size_t>(place) + 1);
    ends.push_back(first + (place - std::floor(place)) * (second - first));
  }
  return ends;
}

TEST(Bootstrap, IsTheFormulaOnTheSameResamples) {
  const std::vector<double> values = {0.1, 0.2, 0.4, 0.7, 2.0};
  std::vector<double> means;
  for (uint64_t sample = 0; sample < 500; ++sample) {
    const Random random(3, RandomStream::bootstrap, sample);
    double sum = 0;
    for (uint64_t i = 0; i < 5; ++i) {
      const uint64_t bits = random.at(i / 2) >> (i % 2 * 32) & 0xffffffff;
      sum += values[bits * 5 / 0x100000000];
    }
    means.push_back(sum / 5);
  }
  for (const double level : {0.8, 0.95}) {
    const Aggregate result = bootstrap_mean(values, {.resamples = 500, .level = level, .seed = 3});
    const std::vector<double> expected = bca(values, means, level);
    EXPECT_NEAR(result.mean, 0.68, 1e-15);
    EXPECT_NEAR(result.low, expected[0], 1e-12) << level;
    EXPECT_NEAR(result.high, expected[1], 1e-12) << level;
  }
}

TEST(Bootstrap, AgreesWithAnotherImplementation) {
  // scipy 1.17: bootstrap(method="BCa") with 2,000,000 resamples.
  const Aggregate result = bootstrap_mean(kSkewed, {.resamples = 200000});
  EXPECT_NEAR(result.low, 0.68, 0.01);
  EXPECT_NEAR(result.high, 3.145, 0.02);
}

TEST(Bootstrap, TiesWithTheMeanCountHalf) {
  // Two values: a quarter of the resamples is below the mean, half is the mean, a quarter above. The quantiles of any
  // usual level are the two values.
  const Aggregate result = bootstrap_mean(std::vector<double>{0.1, 0.3});
  EXPECT_DOUBLE_EQ(result.mean, 0.2);
  EXPECT_DOUBLE_EQ(result.low, 0.1);
  EXPECT_DOUBLE_EQ(result.high, 0.3);
  // At 40 % both ends lie in the middle half if z0 is 0, as it is with ties counted half.
  const Aggregate narrow = bootstrap_mean(std::vector<double>{0.1, 0.3}, {.level = 0.4});
  EXPECT_DOUBLE_EQ(narrow.low, 0.2);
  EXPECT_DOUBLE_EQ(narrow.high, 0.2);
}

/// Share of 2000 lists of 40 draws whose 95 % interval holds `truth`.
template <class Draw>
double coverage(double truth, const Draw& draw) {
  constexpr uint64_t lists = 2000;
  int covered = 0;
  for (uint64_t list = 0; list < lists; ++list) {
    Random random(11, RandomStream::noise, list);
    std::vector<double> values(40);
    for (double& value : values) value = draw(random.uniform());
    const Aggregate result = bootstrap_mean(values, {.resamples = 1000, .seed = list});
    covered += result.low <= truth && truth <= result.high;
  }
  return covered / static_cast<double>(lists);
}

TEST(Bootstrap, CoversTheMeanOfSkewedAndOfNormalScores) {
  const double skewed = coverage(1, [](double u) { return -std::log1p(-u); });
  EXPECT_GT(skewed, 0.92);
  EXPECT_LT(skewed, 0.97);
  const double normal = coverage(0, [](double u) { return normal_quantile(u + 0x1p-54); });
  EXPECT_GT(normal, 0.92);
  EXPECT_LT(normal, 0.97);
}

TEST(Bootstrap, IsTheSameForTheSameSeedAndFollowsTheScale) {
  const Aggregate first = bootstrap_mean(kSkewed, {.seed = 5}), again = bootstrap_mean(kSkewed, {.seed = 5});
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_NE(first.low, bootstrap_mean(kSkewed, {.seed = 6}).low);
  std::vector<double> moved = kSkewed;
  for (double& value : moved) value = 100 + 1e6 * value;
  const Aggregate scaled = bootstrap_mean(moved, {.seed = 5});
  EXPECT_NEAR(scaled.low, 100 + 1e6 * first.low, 1e-6);
  EXPECT_NEAR(scaled.high, 100 + 1e6 * first.high, 1e-6);
}

TEST(Bootstrap, LeavesOutAndCountsWhatIsNotFinite) {
  std::vector<double> with = kSkewed;
  with.insert(with.begin() + 3, {kNaN, std::numeric_limits<double>::infinity()});
  const Aggregate result = bootstrap_mean(with), expected = bootstrap_mean(kSkewed);
  EXPECT_EQ(result.n, 10);
  EXPECT_EQ(result.undefined, 2);
  EXPECT_EQ(result.mean, expected.mean);
  EXPECT_EQ(result.low, expected.low);
  EXPECT_EQ(result.high, expected.high);
  EXPECT_EQ(result.reason, "");
}

TEST(Bootstrap, OfOneOrNoScoreSaysWhatIsMissing) {
  const Aggregate none = bootstrap_mean(std::vector<double>{kNaN});
  EXPECT_TRUE(std::isnan(none.mean) && std::isnan(none.low) && std::isnan(none.high));
  EXPECT_EQ(none.undefined, 1);
  EXPECT_THAT(none.reason, HasSubstr("no image"));
  const Aggregate one = bootstrap_mean(std::vector<double>{0.25});
  EXPECT_EQ(one.mean, 0.25);
  EXPECT_TRUE(std::isnan(one.low) && std::isnan(one.high));
  EXPECT_THAT(one.reason, HasSubstr("nothing to resample"));
}

TEST(Bootstrap, OfEqualScoresHasNoWidth) {
  const Aggregate result = bootstrap_mean(std::vector<double>(7, 0.1));
  EXPECT_EQ(result.mean, 0.1);
  EXPECT_EQ(result.low, 0.1);
  EXPECT_EQ(result.high, 0.1);
  EXPECT_EQ(result.reason, "");
}

TEST(Bootstrap, RefusesWhatIsNoIntervalOrNoBootstrap) {
  EXPECT_THAT(message_of<UsageError>([] { bootstrap_mean(kSkewed, {.resamples = 99}); }), HasSubstr("found 99"));
  EXPECT_THAT(message_of<UsageError>([] { bootstrap_mean(kSkewed, {.level = 1}); }), HasSubstr("found level 1"));
  EXPECT_THAT(message_of<UsageError>([] { bootstrap_mean(kSkewed, {.level = kNaN}); }), HasSubstr("found level nan"));
}

double weighted_mean(const std::vector<double>& values, std::span<const int64_t> counts) {
  double sum = 0, count = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += static_cast<double>(counts[i]) * values[i];
    count += static_cast<double>(counts[i]);
  }
  return sum / count;
}

TEST(BootstrapStatistic, OfAMeanIsThatOfTheMean) {
  const Aggregate of_mean = bootstrap_mean(kSkewed, {.seed = 5});
  const BootstrapInterval result = bootstrap_statistic(
      10, [](std::span<const int64_t> counts) { return weighted_mean(kSkewed, counts); }, {.seed = 5});
  EXPECT_NEAR(result.low, of_mean.low, 1e-12);
  EXPECT_NEAR(result.high, of_mean.high, 1e-12);
  EXPECT_EQ(result.reason, "");
}

TEST(BootstrapStatistic, FollowsAMonotoneFunctionOfTheMean) {
  // Levels hardly move (the acceleration is that of another scale): the ends are those of the mean, turned round.
  const Aggregate of_mean = bootstrap_mean(kSkewed);
  const BootstrapInterval result =
      bootstrap_statistic(10, [](std::span<const int64_t> counts) { return 1 / (1 + weighted_mean(kSkewed, counts)); });
  EXPECT_NEAR(result.low, 1 / (1 + of_mean.high), 0.05);
  EXPECT_NEAR(result.high, 1 / (1 + of_mean.low), 0.05);
}

TEST(BootstrapStatistic, ThatNeverChangesHasAnIntervalOfWidthZero) {
  const BootstrapInterval result = bootstrap_statistic(5, [](std::span<const int64_t>) { return 1.0; });
  EXPECT_EQ(result.low, 1);
  EXPECT_EQ(result.high, 1);
}

TEST(BootstrapStatistic, WithoutAValueSaysWhyThereIsNoInterval) {
  const auto reason = [](int64_t images, const ImageStatistic& statistic) {
    const BootstrapInterval result = bootstrap_statistic(images, statistic, {.resamples = 1000});
    EXPECT_TRUE(std::isnan(result.low) && std::isnan(result.high));
    return result.reason;
  };
  EXPECT_THAT(reason(1, [](std::span<const int64_t>) { return 1.0; }), HasSubstr("nothing to resample"));
  EXPECT_THAT(reason(5, [](std::span<const int64_t>) { return kNaN; }), HasSubstr("no value"));
  // Absent from 1 / e of the resamples.
  const auto first = [](std::span<const int64_t> counts) { return counts[0] > 0 ? 1.0 : kNaN; };
  EXPECT_THAT(reason(20, first), HasSubstr("of 1000 resamples"));
  // Few resamples lack it, but the jackknife does.
  const auto all_once = [](std::span<const int64_t> counts) {
    const auto most = *std::max_element(counts.begin(), counts.end());
    return most == 1 && counts[0] == 0 ? kNaN : 1.0;
  };
  EXPECT_THAT(reason(20, all_once), HasSubstr("one image alone"));
}

}  // namespace
}  // namespace vitrail
