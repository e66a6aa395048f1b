// SquareGrad and VarGrad against closed forms and against the moments of gradients computed one by one.

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/method.h>
#include <vitrail/smoothgrad.h>

#include <cmath>

#include "attribution/gradient/noise.h"
#include "attribution/maps.h"
#include "attribution/perturbation/scorers_for_tests.h"

namespace vitrail {
namespace {

constexpr int64_t height = 7, width = 9;

Tensor photos() { return wave(3, height, width, 0.37).unsqueeze(0); }

/// sum a x^2, whose gradient 2 a (x + xi) is normal under noise.
CallableScorer quadratic_scorer(const Tensor& a) {
  return CallableScorer([=](const Tensor& x) { return (a * x * x).flatten(1).sum(1, true); });
}

TEST(NoisyGradients, OfALinearScoreAreItsSquaredWeightsAndHaveNoVariance) {
  const Tensor w = wave(3, height, width, 1.1);
  const auto square = squaregrad(linear_scorer(w, 5), photos(), {.samples = 7})[0];
  EXPECT_TRUE(square.map.allclose(w.square().mean(0), 1e-5, 1e-6));
  EXPECT_LT(square.standard_error.max().item<double>(), 1e-7);
  EXPECT_FALSE(square.is_signed);
  const auto variance = vargrad(linear_scorer(w, 5), photos(), {.samples = 7})[0];
  EXPECT_LT(variance.map.abs().max().item<double>(), 1e-12);
  EXPECT_FALSE(variance.is_signed);
}

TEST(NoisyGradients, AreTheMomentsOfTheSamplesGradients) {
  const Tensor a = wave(3, height, width, 1.1), x = photos()[0];
  const Tensor samples = x + draw_noise(x, 3, 0, 12) * (0.2 * range_of(x));
  const Tensor gradients = (a * samples * 2).to(at::kDouble);
  const SmoothGradOptions options{.samples = 12, .noise = 0.2, .seed = 3};
  const Tensor square = squaregrad(quadratic_scorer(a), photos(), options)[0].map.to(at::kDouble);
  const Tensor variance = vargrad(quadratic_scorer(a), photos(), options)[0].map.to(at::kDouble);
  EXPECT_TRUE(square.allclose(gradients.square().mean(0).mean(0), 1e-5, 1e-8));
  EXPECT_TRUE(variance.allclose(gradients.var(0, /*unbiased=*/true).mean(0), 1e-5, 1e-8));
}

TEST(NoisyGradients, VarianceIsUnbiasedFromTwoSamplesOnAndItsErrorIsHonest) {
  const Tensor a = wave(3, height, width, 1.1);
  const double sigma = 0.2 * range_of(photos()[0]);
  const Tensor expected = a.square().mean(0) * (4 * sigma * sigma);
  Tensors maps;
  for (uint64_t seed = 0; seed < 600; ++seed)
    maps.push_back(vargrad(quadratic_scorer(a), photos(), {.samples = 2, .noise = 0.2, .seed = seed})[0].map);
  EXPECT_NEAR((at::stack(maps).mean(0) / expected).mean().item<double>(), 1, 0.03);

  // The variance of a normal variance: 2 s^4 / (n - 1) a channel.
  const auto result = vargrad(quadratic_scorer(a), photos(), {.samples = 2000, .noise = 0.2})[0];
  const Tensor error = a.square().square().sum(0).sqrt() * (4 * sigma * sigma / 3 * std::sqrt(2. / 1999));
  EXPECT_LT((result.standard_error / error - 1).abs().max().item<double>(), 0.2);
  EXPECT_LT(((result.map - expected).abs() / error).max().item<double>(), 5);
}

TEST(NoisyGradients, SquaresExceedVariancesByTheSquaredMean) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const auto explain = [&](const std::string& method) {
    return parse_method(method + ":samples=9")->explain(scorer, photos(), {})[1].map;
  };
  // Channel by channel it is an identity; over the mean of channels Jensen leaves an inequality.
  const Tensor rest = explain("squaregrad") - explain("vargrad") * (8. / 9) - explain("smoothgrad").square();
  EXPECT_GE(rest.min().item<double>(), -1e-4);
}

TEST(NoisyGradients, VarianceNeedsTwoSamples) {
  EXPECT_THROW(vargrad(linear_scorer(wave(3, height, width, 1)), photos(), {.samples = 1}), UsageError);
  EXPECT_FALSE(
      squaregrad(linear_scorer(wave(3, height, width, 1)), photos(), {.samples = 1})[0].standard_error.defined());
}

}  // namespace
}  // namespace vitrail
