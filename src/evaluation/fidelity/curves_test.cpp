// Metrics that hide or impute in the order of the map, by sums that are known.

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/average_drop.h>
#include <vitrail/infidelity.h>
#include <vitrail/monotonicity.h>
#include <vitrail/region_perturbation.h>
#include <vitrail/road.h>

#include <cmath>
#include <vector>

#include "evaluation/cases_for_tests.h"
#include "support/message_of.h"

namespace vitrail {
namespace {

using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

const Baseline kZero("zero");

std::vector<double> numbers(const Tensor& values) {
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

/// Four squares of 2 x 2 pixels that are worth 4, 2, 1 and 1; the map says so.
struct Squares {
  Tensor weight = at::ones({1, 4, 4}), input = at::ones({1, 4, 4});
  Squares() {
    weight[0].narrow(0, 0, 2).narrow(1, 0, 2).fill_(1.0f);
    weight[0].narrow(0, 0, 2).narrow(1, 2, 2).fill_(0.5f);
    weight[0].narrow(0, 2, 2).fill_(0.25f);
  }
};

TEST(RegionPerturbation, SquaresOfALinearModelByHand) {
  const Squares squares;
  const LinearScorer scorer(squares.weight);
  const MetricCase map{.scorer = &scorer, .input = squares.input, .map = squares.weight[0]};
  const RegionPerturbationOptions options{.patch = 2, .baseline = kZero};
  const MetricScore perturbed = region_perturbation(map, options);
  EXPECT_THAT(numbers(perturbed.curve_y), Pointwise(DoubleNear(1e-6), std::vector<double>{8, 4, 2, 1, 0}));
  EXPECT_NEAR(perturbed.value, (0 + 4 + 6 + 7 + 8) / 5.0, 1e-6);
  EXPECT_NEAR(selectivity(map, options).value, (8 / 2.0 + 4 + 2 + 1 + 0) / 4, 1e-6);
  EXPECT_EQ(region_perturbation(map, {.patch = 2, .regions = 2, .baseline = kZero}).forwards, 3);
}

TEST(RegionPerturbation, AllChannelsOfASquareChange) {
  const LinearScorer scorer(at::ones({3, 4, 4}));
  Tensor phi = at::zeros({4, 4});
  phi[0][0] = 1;
  const MetricCase map{.scorer = &scorer, .input = at::ones({3, 4, 4}), .map = phi};
  EXPECT_NEAR(region_perturbation(map, {.patch = 2, .regions = 1, .baseline = kZero}).curve_y[1].item<double>(), 36,
              1e-5);
}

TEST(Irof, IsTheAreaOverTheCurveOfSegments) {
  Tensor input = at::zeros({1, 16, 16});
  input[0].narrow(1, 8, 8).fill_(1);
  const LinearScorer scorer(at::ones({1, 16, 16}));
  const MetricCase map{.scorer = &scorer, .input = input, .map = input[0]};
  const MetricScore score = irof(map, {.grid = 4, .baseline = kZero});
  const std::vector<double> curve = numbers(score.curve_y);
  EXPECT_NEAR(curve.front(), 128, 1e-4);
  EXPECT_NEAR(curve.back(), 0, 1e-4);
  double area = 0;
  for (size_t i = 0; i + 1 < curve.size(); ++i)
    area += (curve[i] + curve[i + 1]) / 2 / static_cast<double>(curve.size() - 1);
  EXPECT_NEAR(score.value, 1 - area / 128, 1e-6);
  EXPECT_GT(score.value,
            irof({.scorer = &scorer, .input = input, .map = -input[0]}, {.grid = 4, .baseline = kZero}).value);
  const LinearScorer negative(-at::ones({1, 16, 16}));
  EXPECT_THAT(irof({.scorer = &negative, .input = input, .map = input[0]}).undefined, HasSubstr("not positive"));
}

TEST(Monotonicity, OfAPositiveLinearModelEveryStepRises) {
  const Squares squares;
  const LinearScorer scorer(squares.weight);
  const MetricCase map{
      .scorer = &scorer, .input = squares.input, .map = squares.weight[0] + at::arange(16).view({4, 4}) * 1e-3};
  EXPECT_EQ(monotonicity(map, {.grid = 2, .baseline = kZero}).value, 1);
  // The two lower squares lower the score: two of four steps rise.
  Tensor weight = squares.weight.clone();
  weight[0].narrow(0, 2, 2).fill_(-0.25f);
  const LinearScorer falling(weight);
  EXPECT_EQ(
      monotonicity({.scorer = &falling, .input = squares.input, .map = map.map}, {.grid = 2, .baseline = kZero}).value,
      0.5);
}

TEST(AverageDrop, ByHand) {
  const LinearScorer scorer(at::ones({1, 1, 4}));
  const Tensor input = at::full({1, 1, 4}, 0.2f);
  const auto of = [&](std::vector<float> map) {
    return MetricCase{.scorer = &scorer, .input = input, .map = at::tensor(map).view({1, 4})};
  };
  // |phi| brought to 0 .. 1: 1, .5, 0, .5; of .8 there is left .4.
  EXPECT_NEAR(average_drop(of({-4, 2, 0, 2})).value, 0.5, 1e-6);
  EXPECT_EQ(increase(of({-4, 2, 0, 2})).value, 0);
  EXPECT_EQ(average_gain(of({-4, 2, 0, 2})).value, 0);
  const LinearScorer mixed(at::tensor({1.0f, 1.0f, 1.0f, -1.0f}).view({1, 1, 4}));
  const MetricCase better{.scorer = &mixed, .input = input, .map = at::tensor({1.0f, 1.0f, 1.0f, 0.0f}).view({1, 4})};
  EXPECT_EQ(average_drop(better).value, 0);
  EXPECT_EQ(increase(better).value, 1);
  EXPECT_NEAR(average_gain(better).value, 0.2 / 0.6, 1e-6);
}

TEST(AverageDrop, OfANegativeScoreOrAConstantMapIsUndefined) {
  const LinearScorer negative(-at::ones({1, 1, 4}));
  const MetricCase map{.scorer = &negative, .input = at::rand({1, 1, 4}), .map = at::rand({1, 4})};
  EXPECT_THAT(average_drop(map).undefined, HasSubstr("not positive"));
  const LinearScorer positive(at::ones({1, 1, 4}));
  EXPECT_THAT(increase({.scorer = &positive, .input = at::rand({1, 1, 4}), .map = at::ones({1, 4})}).undefined,
              HasSubstr("constant"));
}

TEST(Infidelity, OfTheGradientOfALinearModelIsZero) {
  const LinearScorer scorer(at::randn({3, 6, 7}), 1);
  const Tensor input = at::rand({3, 6, 7}), gradient = scorer.weight().sum(0);
  const auto of = [&](const Tensor& map, bool scaled) {
    return infidelity({.scorer = &scorer, .input = input, .map = map}, {.scaled = scaled});
  };
  EXPECT_NEAR(of(gradient, false).value, 0, 1e-9);
  EXPECT_NEAR(of(gradient / 3, true).value, 0, 1e-9);
  EXPECT_NEAR(of(gradient / 3, true).parts.at("beta"), 3, 1e-4);
  EXPECT_GT(of(gradient / 3, false).value, 1e-3);
  // A map of nothing is off by the drops themselves.
  EXPECT_NEAR(of(at::zeros({6, 7}), false).value, of(at::zeros({6, 7}), true).value, 1e-12);
}

TEST(Road, IsNothingForWhatNeighboursTell) {
  // The score is the sum over a ramp's inner pixels: imputation of few of them gives the ramp back.
  const Tensor ramp = (at::arange(12).view({1, 1, 12}) + at::arange(12).view({1, 12, 1})).to(at::kFloat);
  const LinearScorer scorer(at::ones({1, 12, 12}));
  Tensor phi = at::zeros({12, 12});
  phi.narrow(0, 3, 5).narrow(1, 3, 5).copy_(at::rand({5, 5}) + 1);
  const MetricScore score =
      road({.scorer = &scorer, .input = ramp, .map = phi}, {.steps = 9, .order = RemovalOrder::morf, .noise = 0});
  EXPECT_NEAR(score.curve_y[0].item<double>(), ramp.sum().item<double>(), 1e-2);  // 14 of the 25 inner ones
  EXPECT_EQ(score.forwards, 9);
}

TEST(Road, CombinedIsHalfTheDifference) {
  const LinearScorer scorer(at::rand({3, 8, 8}));
  const MetricCase map{.scorer = &scorer, .input = at::rand({3, 8, 8}), .map = at::rand({8, 8})};
  const auto with = [&](RemovalOrder order) { return road(map, {.order = order}).value; };
  EXPECT_NEAR(with(RemovalOrder::combined), (with(RemovalOrder::lerf) - with(RemovalOrder::morf)) / 2, 1e-9);
  EXPECT_NE(with(RemovalOrder::lerf), with(RemovalOrder::morf));
  EXPECT_EQ(parse_metric("road:order=morf")->direction(), Direction::lower);
}

/// Every fidelity metric: a constant map says nothing, batches change nothing, the string says the same. Those that
/// want a photo of which the network is sure have tests of their own.
class EveryFidelityMetric : public ::testing::TestWithParam<std::string> {};
std::vector<std::string> fidelity_names() {
  std::vector<std::string> names;
  for (const MetricInfo& info : metrics())
    if (info.family == "fidelity" && info.name != "sic" && info.name != "aic") names.push_back(info.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Names, EveryFidelityMetric, ::testing::ValuesIn(fidelity_names()),
                         [](const auto& info) { return info.param; });

TEST_P(EveryFidelityMetric, DoesNotDependOnTheBatch) {
  const LinearScorer scorer(at::rand({3, 20, 20}) / 2000);
  MetricCase map{.scorer = &scorer, .input = at::rand({3, 20, 20}), .map = at::rand({20, 20})};
  const auto metric = parse_metric(GetParam());
  const MetricScore whole = metric->score(map);
  map.execution.batch = 3;
  ASSERT_TRUE(std::isfinite(whole.value)) << whole.undefined;
  EXPECT_NEAR(metric->score(map).value, whole.value, 1e-6 * (1 + std::abs(whole.value)));
  EXPECT_GT(whole.forwards, 0);
}

TEST_P(EveryFidelityMetric, SaysWhatItsCurveGoesOver) {
  const LinearScorer scorer(at::rand({3, 20, 20}) / 2000);
  const MetricCase map{.scorer = &scorer, .input = at::rand({3, 20, 20}), .map = at::rand({20, 20})};
  const auto metric = parse_metric(GetParam());
  const MetricScore score = metric->score(map);
  ASSERT_TRUE(std::isfinite(score.value)) << score.undefined;
  EXPECT_EQ(score.curve_y.defined(), !metric->info().curve.empty());
  EXPECT_EQ(score.curve_x.defined(), score.curve_y.defined());
}

TEST_P(EveryFidelityMetric, NamesACancellation) {
  const LinearScorer scorer(at::rand({3, 20, 20}));
  const std::atomic<bool> cancelled = true;
  const MetricCase map{.scorer = &scorer,
                       .input = at::rand({3, 20, 20}),
                       .map = at::rand({20, 20}),
                       .execution = {.cancelled = &cancelled}};
  EXPECT_THROW(parse_metric(GetParam())->score(map), CancelledError);
}

TEST_P(EveryFidelityMetric, ParsesItsOwnString) {
  const auto metric = parse_metric(GetParam());
  EXPECT_EQ(parse_metric(metric->canonical())->canonical(), metric->canonical());
  EXPECT_FALSE(metric->info().summary.empty() || metric->info().formula.empty() || metric->info().source.empty());
}

}  // namespace
}  // namespace vitrail
