#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <vitrail/expected_gradients.h>
#include <vitrail/integrated_gradients.h>

#include <cmath>

#include "attribution/gradient/noise.h"
#include "attribution/maps.h"
#include "attribution/perturbation/scorers_for_tests.h"

namespace vitrail {
namespace {

constexpr int64_t height = 7, width = 9;
Tensor photos() { return wave(3, height, width, 0.37).unsqueeze(0); }

TEST(ExpectedGradients, OfALinearScoreHaveNoGap) {
  const Tensor w = wave(3, height, width, 1.1);
  const auto result = expected_gradients(linear_scorer(w, 5), photos(), {.samples = 20})[0];
  EXPECT_NEAR(*result.completeness_gap, 0, 1e-4);
  const auto fixed = expected_gradients(linear_scorer(w, 5), photos(), {.noise = 0, .baseline = Baseline("2")})[0];
  EXPECT_TRUE(fixed.map.allclose((w * (photos()[0] - 2)).sum(0), 1e-5, 1e-5));
  EXPECT_LT(fixed.standard_error.max().item<double>(), 1e-6);
  EXPECT_EQ(fixed.baseline, "2");
}

TEST(ExpectedGradients, OfAQuadraticScoreAreTheDifferenceOfItsTerms) {
  const Tensor a = wave(3, height, width, 1.1), x = photos()[0];
  const CallableScorer scorer([&](const Tensor& z) { return (a * z * z).flatten(1).sum(1, true); });
  const double sigma = 0.2 * range_of(x);
  const Tensor expected = (a * (x * x - sigma * sigma)).sum(0);
  constexpr uint64_t seeds = 40;  // the pixels of one run share its places, so their errors are correlated
  for (const auto distribution : {BaselineNoise::normal, BaselineNoise::uniform}) {
    double spread = 0;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
      const auto result = expected_gradients(
          scorer, photos(), {.samples = 100, .noise = 0.2, .distribution = distribution, .seed = seed})[0];
      const Tensor error = (result.map - expected) / result.standard_error;
      EXPECT_LT(error.abs().max().item<double>(), 6);
      spread += error.square().mean().item<double>() / seeds;
    }
    EXPECT_NEAR(spread, 1, 0.5);
  }
}

TEST(ExpectedGradients, OfOneBaselineAreIntegratedGradients) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const auto sampled = expected_gradients(scorer, photos(), {.samples = 4000, .noise = 0});
  const auto integrated = integrated_gradients(scorer, photos(), {.tolerance = 1e-6, .baseline = {}});
  for (size_t t = 0; t < 2; ++t) {
    const Tensor error = (sampled[t].map - integrated[t].map).abs() / (sampled[t].standard_error + 1e-5);
    EXPECT_LT(error.max().item<double>(), 5);
    EXPECT_GT(sampled[t].standard_error.max().item<double>(), 1e-4);
  }
}

}  // namespace
}  // namespace vitrail
