#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/mu_fidelity.h>

#include <cmath>

#include "evaluation/cases_for_tests.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

const Baseline kZero("zero");

struct Linear {
  LinearScorer scorer{at::randn({3, 18, 20}), 0.7};
  Tensor input = at::rand({3, 18, 20});
  Tensor contributions = (scorer.weight() * input).sum(0);
  MetricCase map(const Tensor& values) const { return {.scorer = &scorer, .input = input, .map = values}; }
};

TEST(MuFidelity, OfALinearModelIsOneByBothRulesAndCorrelations) {
  const Linear linear;
  for (const auto rule : {SubsetRule::bernoulli, SubsetRule::fixed})
    for (const auto correlation : {Correlation::spearman, Correlation::pearson}) {
      const MetricScore score =
          mu_fidelity(linear.map(linear.contributions), {.rule = rule, .correlation = correlation, .baseline = kZero});
      EXPECT_NEAR(score.value, 1, 1e-4);
      EXPECT_EQ(score.forwards, 201);
      EXPECT_NEAR(
          mu_fidelity(linear.map(-linear.contributions), {.rule = rule, .correlation = correlation, .baseline = kZero})
              .value,
          -1, 1e-4);
    }
}

// Of subsets of one size, with cells of one size, an offset adds the same to every sum.
TEST(MuFidelity, AnOffsetChangesOnlyWhatSubsetsOfDifferentSizesSay) {
  const Linear linear;
  const Tensor affine = linear.contributions * 2 + 5;
  const auto with = [&](SubsetRule rule) {
    return mu_fidelity(linear.map(affine),
                       {.grid = 2, .share = 0.5, .rule = rule, .correlation = Correlation::pearson, .baseline = kZero});
  };
  EXPECT_NEAR(with(SubsetRule::fixed).value, 1, 1e-4);
  EXPECT_LT(with(SubsetRule::bernoulli).value, 0.9);
}

TEST(MuFidelity, OfAConstantModelIsUndefined) {
  const LinearScorer scorer(at::zeros({3, 18, 20}), 2);
  const MetricScore score = mu_fidelity({.scorer = &scorer, .input = at::rand({3, 18, 20}), .map = at::rand({18, 20})});
  EXPECT_TRUE(std::isnan(score.value));
  EXPECT_THAT(score.undefined, HasSubstr("same"));
}

TEST(MuFidelity, DependsOnTheSeedAndNotOnTheBatch) {
  const Linear linear;
  MetricCase map = linear.map(at::rand({18, 20}));
  const double value = mu_fidelity(map).value;
  map.execution.batch = 7;
  EXPECT_NEAR(mu_fidelity(map).value, value, 1e-6);
  EXPECT_NE(mu_fidelity(map, {.seed = 2}).value, value);
  EXPECT_THAT(message_of<UsageError>([&] { mu_fidelity(map, {.grid = 19}); }), HasSubstr("grid=19"));
}

TEST(FaithfulnessCorrelation, OfALinearModelIsOneForAnyOffset) {
  const Linear linear;
  EXPECT_NEAR(faithfulness_correlation(linear.map(linear.contributions * 3 + 1), {.size = 40, .baseline = kZero}).value,
              1, 1e-4);
  EXPECT_THAT(faithfulness_correlation(linear.map(linear.contributions), {.size = 360}).undefined, HasSubstr("360"));
}

TEST(SensitivityN, OfALinearModelIsOneForEverySize) {
  const Linear linear;
  const MetricScore score = sensitivity_n(linear.map(linear.contributions), {.sizes = 4, .baseline = kZero});
  EXPECT_NEAR(score.value, 1, 1e-4);
  EXPECT_EQ(score.curve_y.numel(), 4);
  EXPECT_NEAR(score.curve_y.min().item<double>(), 1, 1e-4);
  EXPECT_NEAR(score.curve_x[3].item<double>(), 0.8, 1e-9);
  EXPECT_EQ(score.forwards, 201);
}

}  // namespace
}  // namespace vitrail
