// Gradient methods against closed forms and finite differences.

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/gradient_x_input.h>
#include <vitrail/integrated_gradients.h>
#include <vitrail/method.h>
#include <vitrail/saliency.h>
#include <vitrail/smoothgrad.h>

#include <cmath>

#include "attribution/nets_for_tests.h"

namespace vitrail {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t height = 7, width = 9;

Tensor photo() { return wave(3, height, width, 0.37); }
Tensor photos() { return at::stack({photo(), wave(3, height, width, 0.53)}); }

std::vector<Explanation> explain(const std::string& method, const Scorer& scorer, const Tensor& inputs,
                                 const Execution& execution = {}) {
  return parse_method(method)->explain(scorer, inputs, execution);
}

Execution with(int64_t batch, std::optional<int64_t> steps = {}) {
  Execution execution;
  execution.batch = batch;
  execution.budget.forwards = steps;
  return execution;
}

IntegratedGradientsOptions options(int64_t steps, int64_t max_steps, double tolerance) {
  return {.steps = steps, .max_steps = max_steps, .tolerance = tolerance, .baseline = {}};
}

// Closed forms: a linear score w . x + 5.

TEST(LinearScore, HasTheSizeOfItsWeightsAsSaliency) {
  const Tensor w = wave(3, height, width, 1.1);
  const auto result = saliency(linear_scorer(w, 5), photo().unsqueeze(0))[0];
  EXPECT_TRUE(result.map.allclose(w.abs().amax(0)));
  EXPECT_FALSE(result.is_signed);
  EXPECT_EQ(result.unit, "logit per input unit");
  EXPECT_NEAR(result.score, (w * photo()).sum().item<double>() + 5, 1e-4);
}

TEST(LinearScore, HasItsWeightsAsSmoothGradWithoutError) {
  const Tensor w = wave(3, height, width, 1.1);
  const auto result = smoothgrad(linear_scorer(w, 5), photo().unsqueeze(0), {.samples = 7})[0];
  EXPECT_TRUE(result.map.allclose(w.mean(0), 1e-5, 1e-6));
  EXPECT_LT(result.standard_error.max().item<double>(), 1e-7);
}

TEST(LinearScore, HasItsTermsAsGradientTimesInputAndIntegratedGradients) {
  const Tensor w = wave(3, height, width, 1.1);
  const CallableScorer scorer = linear_scorer(w, 5);
  const Tensor terms = w * photo();
  EXPECT_TRUE(gradient_x_input(scorer, photo().unsqueeze(0))[0].map.allclose(terms.mean(0), 1e-5, 1e-6));
  const auto integrated = integrated_gradients(scorer, photo().unsqueeze(0))[0];
  EXPECT_TRUE(integrated.map.allclose(terms.sum(0), 1e-5, 1e-5));
  EXPECT_EQ(integrated.plan.at("steps"), "8");  // what it begins with is enough
  const Tensor from_grey = integrated_gradients(scorer, photo().unsqueeze(0), {.baseline = Baseline("2")})[0].map;
  EXPECT_TRUE(from_grey.allclose((w * (photo() - 2)).sum(0), 1e-5, 1e-5));
}

TEST(QuadraticScore, IsIntegratedExactlyByTheEnds) {
  const Tensor a = wave(3, height, width, 1.1);
  const CallableScorer scorer([&](const Tensor& x) { return (a * x * x).flatten(1).sum(1, true); });
  const auto result = integrated_gradients(scorer, photo().unsqueeze(0), options(1, 1, 0.01))[0];
  EXPECT_TRUE(result.map.allclose((a * photo() * photo()).sum(0), 1e-5, 1e-5));
  EXPECT_NEAR(*result.completeness_gap, 0, 1e-4);
}

TEST(Saliency, AgreesWithFiniteDifferences) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const auto results = explain("saliency:reducer=sum", scorer, photo().unsqueeze(0));
  for (const int64_t pixel : {0, 17, 62}) {
    for (int64_t t = 0; t < 2; ++t) {
      double expected = 0;
      for (int64_t c = 0; c < 3; ++c) {
        Tensor step = at::zeros_like(photo());
        step[c].view({-1})[pixel] = 1e-3;
        const auto score = [&](const Tensor& x) {
          return scorer.score(x.to(at::kDouble).unsqueeze(0))[0][t].item<double>();
        };
        expected += std::abs(score(photo() + step) - score(photo() - step)) / 2e-3;
      }
      EXPECT_NEAR(results[static_cast<size_t>(t)].map.view({-1})[pixel].item<double>(), expected,
                  2e-3 * (1 + expected));
    }
  }
}

// Integrated Gradients.

TEST(CubicScore, IsIntegratedWithTheErrorOfTheTrapezoidalRule) {
  // The integral of 3 a (a x)^2 x over a: x^3; n intervals have the error x^3 / (2 n^2).
  const Tensor a = wave(3, height, width, 1.1), x = photo();
  const CallableScorer scorer([&](const Tensor& z) { return (a * z * z * z).flatten(1).sum(1, true); });
  for (const int64_t n : {1, 2, 5, 8}) {
    const auto result = integrated_gradients(scorer, x.unsqueeze(0), options(n, n, 0.01))[0];
    const double factor = 1 + 0.5 / static_cast<double>(n * n);
    EXPECT_TRUE(result.map.allclose((a * x * x * x).sum(0) * factor, 1e-4, 1e-5)) << n;
  }
}

TEST(IntegratedGradients, RefinesUntilTheMapAddsUpToTheRise) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const Tensor inputs = photos().to(at::kDouble);
  const auto results = integrated_gradients(scorer, inputs, options(2, 512, 1e-4));
  for (size_t i = 0; i < results.size(); ++i) {
    const auto t = static_cast<int64_t>(i % 2);
    const Tensor x = inputs.narrow(0, static_cast<int64_t>(i / 2), 1);
    const double rise = (scorer.score(x) - scorer.score(at::zeros_like(x)))[0][t].item<double>();
    EXPECT_NEAR(results[i].map.to(at::kDouble).sum().item<double>(), rise, 1e-4 * (1 + std::abs(rise)));
    EXPECT_LE(std::abs(*results[i].completeness_gap), 1e-4 * std::abs(rise));
    EXPECT_GT(std::stoi(results[i].plan.at("steps")), 2);
    EXPECT_THAT(results[i].warnings, IsEmpty());
  }
}

// A score with one kink, at a hundredth of the way: halving finds it where equal steps of the same number do not.
TEST(IntegratedGradients, PutsItsNodesWhereTheGradientChanges) {
  const CallableScorer scorer([](const Tensor& x) { return (x.flatten(1).sum(1, true) - 0.02).relu(); });
  const Tensor x = at::full({1, 1, 2, 2}, 0.5, at::kDouble);  // the sum runs from 0 to 2
  const auto halved = integrated_gradients(scorer, x, options(2, 16, 1e-4))[0];
  const auto equal = integrated_gradients(scorer, x, options(16, 16, 1e-4))[0];
  EXPECT_LT(std::abs(*halved.completeness_gap), std::abs(*equal.completeness_gap) / 2);
  EXPECT_EQ(halved.plan.at("steps"), "16");
}

TEST(IntegratedGradients, SaysWhenTheGapStaysLarge) {
  const auto result = integrated_gradients(curved_scorer(3, height, width), photos(), options(1, 1, 1e-6))[0];
  EXPECT_THAT(result.warnings, Contains(HasSubstr("completeness gap")));
}

TEST(IntegratedGradients, ABudgetLeavesTheSumOfTheNodesDone) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const Tensor x = photo().unsqueeze(0);
  // A node costs a forward and two backwards: 5 nodes are the ends, the half and the quarters.
  const auto stopped = explain("ig:steps=8,max_steps=64,tolerance=0", scorer, x, with(3, 17));
  const auto finished = explain("ig:steps=4,max_steps=4,tolerance=0", scorer, x, with(3));
  EXPECT_TRUE(stopped[0].partial);
  EXPECT_FALSE(finished[0].partial);
  EXPECT_EQ(stopped[0].plan.at("steps"), "4");
  EXPECT_TRUE(stopped[0].map.allclose(finished[0].map, 1e-5, 1e-6));
  EXPECT_LE(stopped[0].forwards + stopped[0].backwards, 17);
  EXPECT_TRUE(stopped[0].completeness_gap.has_value());
  const auto one = explain("ig:steps=8", scorer, x, with(3, 3))[0];  // the input alone stands for the path
  EXPECT_TRUE(one.map.allclose(explain("gradient_x_input:reducer=sum", scorer, x)[0].map, 1e-5, 1e-5));
  EXPECT_FALSE(one.completeness_gap.has_value());
}

// SmoothGrad.

TEST(SmoothGrad, StandardErrorIsTheSpreadOverSeedsAndFallsWithTheRoot) {
  const Tensor a = wave(3, height, width, 1.1);
  const CallableScorer scorer([&](const Tensor& x) { return (a * x * x).flatten(1).sum(1, true); });
  // The gradient is 2 a (x + xi): its mean over channels has standard deviation 2 sigma |a| / 3.
  const auto result = smoothgrad(scorer, photo().unsqueeze(0), {.samples = 2000, .noise = 0.2})[0];
  const double sigma = 0.2 * (photo().max() - photo().min()).item<double>();
  const Tensor expected = a.square().sum(0).sqrt() * (2 * sigma / 3 / std::sqrt(2000.));
  EXPECT_LT((result.standard_error / expected - 1).abs().max().item<double>(), 0.1);
  const Tensor error = (result.map - (a * photo() * 2).mean(0)).abs() / expected;
  EXPECT_LT(error.max().item<double>(), 5);  // five standard errors
  EXPECT_GT(error.max().item<double>(), 1);
}

TEST(SmoothGrad, StoppedEarlyIsTheMapOfTheSamplesDone) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const auto stopped = explain("smoothgrad:samples=50", scorer, photos(), with(4, 31));
  const auto ten = explain("smoothgrad:samples=10", scorer, photos(), with(4));
  for (size_t i = 0; i < stopped.size(); ++i) {
    EXPECT_TRUE(stopped[i].partial);
    EXPECT_EQ(stopped[i].plan.at("samples"), "10");  // a sample costs a forward and two backwards
    EXPECT_TRUE(stopped[i].map.equal(ten[i].map));
    EXPECT_TRUE(stopped[i].standard_error.equal(ten[i].standard_error));
  }
}

TEST(SmoothGrad, CancelledBeforeItBeginsSaysSo) {
  std::atomic<bool> cancelled = true;
  Execution execution;
  execution.cancelled = &cancelled;
  const auto result = explain("smoothgrad", curved_scorer(3, height, width), photos(), execution)[0];
  EXPECT_TRUE(result.partial);
  EXPECT_THAT(result.warnings, Contains(HasSubstr("stopped early")));
  EXPECT_FALSE(result.standard_error.defined());
}

}  // namespace
}  // namespace vitrail
