#include "attribution/perturbation/settle.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <vector>

#include "attribution/random.h"

namespace vitrail {
namespace {

const std::vector<double> truth = {0, 0.1, 0.5, 0.6, 1, 1.4};

/// Units of one experiment: the truth and independent normal noise, [units,6,1].
Tensor draw(uint64_t experiment, int64_t units) {
  const Tensor noise = at::empty({units, 6, 1}, at::kFloat);
  Random(experiment, RandomStream::noise, 0).fill_normal({noise.data_ptr<float>(), static_cast<size_t>(noise.numel())});
  return at::tensor(truth, at::kDouble).view({1, 6, 1}) + noise.to(at::kDouble) * 0.3;
}

/// The number of units at which the rule stops, looking after each of them.
int64_t stop(SettleRule& rule, const Tensor& units) {
  for (int64_t n = 2; n <= units.size(0); ++n)
    if (rule.settled(mean_of_units(units.narrow(0, 0, n)), n)) return n;
  return -1;
}

// With probability .95 at least, whatever the number of looks, the statement at the stop is true.
TEST(SettleRule, StopsWithinItsTolerance) {
  int wrong = 0, stopped = 0;
  constexpr int experiments = 300;
  for (int e = 0; e < experiments; ++e) {
    SettleRule rule(0.2, 0);
    const Tensor units = draw(static_cast<uint64_t>(e), 120);
    const int64_t n = stop(rule, units);
    if (n < 0) continue;
    ++stopped;
    const Tensor mean = units.narrow(0, 0, n).mean(0).squeeze(1);
    const double range = (mean.max() - mean.min()).item<double>();
    wrong += (mean - at::tensor(truth, at::kDouble)).abs().max().item<double>() > 0.2 * range;
  }
  EXPECT_GT(stopped, experiments * 9 / 10);
  EXPECT_LE(wrong, experiments / 20);
}

TEST(SettleRule, StopsWhenTheTopCellsAreKnown) {
  int wrong = 0, later = 0;
  constexpr int experiments = 200;
  for (int e = 0; e < experiments; ++e) {
    const Tensor units = draw(static_cast<uint64_t>(e), 200);
    SettleRule two(0, 2), three(0, 3);  // below the second there is a gap of 0.4, below the third one of 0.1
    const int64_t n = stop(two, units), m = stop(three, units);
    ASSERT_GT(n, 0);
    later += m < 0 || m > n;
    const Tensor mean = units.narrow(0, 0, n).mean(0).squeeze(1);
    wrong += mean.narrow(0, 4, 2).min().item<double>() < mean.narrow(0, 0, 4).max().item<double>();
  }
  EXPECT_LE(wrong, experiments / 20);
  EXPECT_EQ(later, experiments);
}

TEST(SettleRule, SaysWhatItFound) {
  SettleRule nothing(0, 0), both(0.5, 2);
  const Tensor units = draw(1, 60);
  EXPECT_FALSE(nothing.settled(mean_of_units(units), 60));
  EXPECT_EQ(nothing.verdict(), "");
  EXPECT_FALSE(both.settled(mean_of_units(units.narrow(0, 0, 1)), 1));
  EXPECT_EQ(both.verdict(), "tolerance 0.5 and the top 2 not settled after look 0");
  EXPECT_TRUE(both.settled(mean_of_units(units), 60));
  EXPECT_EQ(both.verdict(), "tolerance 0.5 and the top 2 settled at look 1");
}

}  // namespace
}  // namespace vitrail
