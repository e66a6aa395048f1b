#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/completeness_gap.h>
#include <vitrail/input_invariance.h>
#include <vitrail/non_sensitivity.h>

#include <cmath>
#include <memory>
#include <string>

#include "evaluation/cases_for_tests.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

struct Linear {
  LinearScorer scorer{at::rand({3, 4, 6}) + 0.1, 0.7};
  Tensor input = at::rand({3, 4, 6});
  Tensor contributions = (scorer.weight() * input).sum(0);
  MetricCase map(const Tensor& values) const { return {.scorer = &scorer, .input = input, .map = values}; }
};

TEST(CompletenessGap, OfContributionsIsZero) {
  const Linear linear;
  const double rise = linear.contributions.sum().item<double>();
  const MetricScore score = completeness_gap(linear.map(linear.contributions));
  EXPECT_NEAR(score.value, 0, 1e-5);
  EXPECT_NEAR(score.parts.at("rise"), rise, 1e-5);
  EXPECT_EQ(score.forwards, 2);
  EXPECT_NEAR(completeness_gap(linear.map(linear.contributions * 1.5)).value, 0.5, 1e-5);
  EXPECT_NEAR(completeness_gap(linear.map(linear.contributions * -1)).value, 2, 1e-5);
  // From another baseline they do not add up.
  const double from_two = rise - 2 * linear.scorer.weight().sum().item<double>();
  EXPECT_NEAR(completeness_gap(linear.map(linear.contributions), {.baseline = Baseline("2")}).value,
              (rise - from_two) / -from_two, 1e-5);
}

TEST(CompletenessGap, WhatIsNoSumHasNoGap) {
  const Linear linear;
  MetricCase map = linear.map(linear.contributions);
  map.is_signed = false;
  EXPECT_THAT(completeness_gap(map).undefined, HasSubstr("unsigned"));
  const LinearScorer constant(at::zeros({3, 4, 6}), 2.5);
  EXPECT_THAT(completeness_gap({.scorer = &constant, .input = at::rand({3, 4, 6}), .map = at::rand({4, 6})}).undefined,
              HasSubstr("nothing to divide"));
}

TEST(NonSensitivity, CountsCellsOnOneSideOnly) {
  // The score looks at the left half, two of the four cells.
  Tensor weight = at::zeros({1, 4, 6});
  weight.narrow(2, 0, 3).fill_(1);
  const LinearScorer scorer(weight);
  Tensor values = weight[0].clone();
  MetricCase map{.scorer = &scorer, .input = at::full({1, 4, 6}, 0.5f), .map = values};
  const MetricScore right = non_sensitivity(map, {.grid = 2});
  EXPECT_EQ(right.value, 0);
  EXPECT_EQ(right.parts.at("irrelevant"), 0.5);
  EXPECT_EQ(right.parts.at("insensitive"), 0.5);
  EXPECT_EQ(right.forwards, 5);
  values[0][5] = -0.1;  // relevance in a cell that does nothing
  EXPECT_EQ(non_sensitivity(map, {.grid = 2}).value, 0.25);
  EXPECT_EQ(non_sensitivity(map, {.grid = 2, .tolerance = 0.1}).value, 0);
  values.narrow(0, 0, 2).narrow(1, 0, 3).fill_(0);  // and none in one that does
  EXPECT_EQ(non_sensitivity(map, {.grid = 2}).value, 0.5);
  map.execution.batch = 3;
  EXPECT_EQ(non_sensitivity(map, {.grid = 2}).value, 0.5);
}

TEST(NonSensitivity, WhereNothingIsLargestThereIsNoValue) {
  const Linear linear;
  EXPECT_THAT(non_sensitivity(linear.map(at::zeros({4, 6})), {.grid = 2}).undefined, HasSubstr("zero everywhere"));
  const LinearScorer constant(at::zeros({3, 4, 6}), 2.5);
  const MetricCase map{.scorer = &constant, .input = at::rand({3, 4, 6}), .map = at::rand({4, 6})};
  EXPECT_THAT(non_sensitivity(map, {.grid = 2}).undefined, HasSubstr("no cell"));
  EXPECT_THAT(message_of<UsageError>([&] { non_sensitivity(map, {.grid = 0}); }), HasSubstr("grid=0"));
}

MetricScore invariance(const std::string& text, const Scorer& scorer, const Tensor& input, double shift) {
  const auto method = parse_method(text);
  const Tensor values = method->explain(scorer, input.unsqueeze(0), {})[0].map;
  return input_invariance({.scorer = &scorer, .input = input, .map = values, .method = method.get()}, {.shift = shift});
}

TEST(InputInvariance, GradientsPassAndProductsWithTheInputFail) {
  const LinearScorer scorer(at::full({1, 4, 6}, 2.0f));
  const Tensor input = at::full({1, 4, 6}, 0.5f);
  EXPECT_EQ(invariance("saliency", scorer, input, 1).value, 0);
  // 2 (x + s) instead of 2 x.
  EXPECT_NEAR(invariance("gradient_x_input", scorer, input, 1).value, 2, 1e-6);
  EXPECT_NEAR(invariance("gradient_x_input", scorer, input, -0.25).value, 0.5, 1e-6);
}

TEST(InputInvariance, ABaselineOfPixelsIsShiftedAlongAndOneOfZerosIsNot) {
  const CallableScorer scorer([](const Tensor& x) { return x.square().flatten(1).sum(1, true); });
  const Tensor input = at::full({1, 4, 6}, 0.5f);
  EXPECT_NEAR(invariance("integrated_gradients:baseline=black", scorer, input, 1).value, 0, 1e-4);
  EXPECT_GT(invariance("integrated_gradients:baseline=zero", scorer, input, 1).value, 0.5);
  EXPECT_NEAR(invariance("occlusion:baseline=black", scorer, input, 1).value, 0, 1e-4);
}

TEST(InputInvariance, WhatCannotBeAskedHasNoValue) {
  const LinearScorer scorer(at::full({1, 4, 6}, 2.0f));
  const auto gradcam = parse_method("gradcam");
  const MetricCase map{
      .scorer = &scorer, .input = at::rand({1, 4, 6}), .map = at::rand({4, 6}), .method = gradcam.get()};
  EXPECT_THAT(input_invariance(map).undefined, HasSubstr("gradcam looks into the network"));
  const LinearScorer nothing(at::zeros({1, 4, 6}));
  EXPECT_THAT(invariance("saliency", nothing, at::rand({1, 4, 6}), 1).undefined, HasSubstr("zero everywhere"));
}

TEST(Axioms, StringsAndTypedCallsAreTheSame) {
  const Linear linear;
  const MetricCase map = linear.map(linear.contributions + 1);
  const auto metric = parse_metric("completeness:baseline=0.5");
  EXPECT_EQ(metric->canonical(), "completeness_gap:activation=none,baseline=0.5");
  EXPECT_EQ(metric->score(map).value, completeness_gap(map, {.baseline = Baseline("0.5")}).value);
  EXPECT_EQ(parse_metric("non_sensitivity:grid=3,tolerance=0.5")->score(map).value,
            non_sensitivity(map, {.grid = 3, .tolerance = 0.5}).value);
}

}  // namespace
}  // namespace vitrail
