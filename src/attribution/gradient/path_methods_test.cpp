// Guided IG, BlurIG, XRAI and ForGrad against what is known of them.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <vitrail/blur_ig.h>
#include <vitrail/forgrad.h>
#include <vitrail/guided_ig.h>
#include <vitrail/integrated_gradients.h>
#include <vitrail/method.h>
#include <vitrail/xrai.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <set>

#include "attribution/blur.h"
#include "attribution/gradient/path_sum.h"
#include "attribution/perturbation/scorers_for_tests.h"

namespace vitrail {
namespace {

constexpr int64_t height = 12, width = 14;

Tensor photo() { return wave(3, height, width, 0.37); }
Tensor weights() { return wave(3, height, width, 1.1); }

/// g(x) = sum of a x^2.
CallableScorer quadratic_scorer(const Tensor& a) {
  return CallableScorer([=](const Tensor& x) { return (a * x * x).flatten(1).sum(1, true); });
}

TEST(PathSum, IsExactWhereTheGradientIsLinear) {
  PathSum sum;
  for (const double z : {0.5, 0.7, 2.0}) sum.add(at::full({1}, z), at::full({1}, 2 * z));  // of z^2
  EXPECT_NEAR(sum.total().item<double>(), 2.0 * 2.0 - 0.5 * 0.5, 1e-6);
  EXPECT_EQ(sum.points(), 3);
}

// Guided IG.

TEST(GuidedIg, OfALinearScoreAreItsTerms) {
  const auto result =
      guided_ig(linear_scorer(weights(), 5), photo().unsqueeze(0), {.steps = 10, .baseline = Baseline("2")})[0];
  EXPECT_TRUE(result.map.allclose((weights() * (photo() - 2)).sum(0), 1e-5, 1e-5));
  EXPECT_NEAR(*result.completeness_gap, 0, 1e-3);
}

TEST(GuidedIg, OfASeparableQuadraticAreItsTermsOnEveryPath) {
  const auto result = guided_ig(quadratic_scorer(weights()), photo().unsqueeze(0), {.steps = 7})[0];
  EXPECT_TRUE(result.map.allclose((weights() * photo() * photo()).sum(0), 1e-4, 1e-4));
}

TEST(GuidedIg, AddsUpToTheRise) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const auto result = guided_ig(scorer, photo().unsqueeze(0), {.steps = 200})[0];
  const double rise = result.score - scorer.score(at::zeros({1, 3, height, width}))[0][0].item<double>();
  EXPECT_NEAR(result.map.sum().item<double>(), rise, 2e-3 * std::abs(rise));
  EXPECT_NEAR(*result.completeness_gap, result.map.sum().item<double>() - rise, 1e-4);
}

TEST(GuidedIg, WithoutFreedomIsTheStraightPath) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const Tensor x = photo().unsqueeze(0);
  const auto straight = integrated_gradients(scorer, x, {.tolerance = 1e-6, .baseline = {}})[0];
  const auto guided = guided_ig(scorer, x, {.steps = 300, .max_distance = 0})[0];
  EXPECT_LT((straight.map - guided.map).abs().max().item<double>(), 1e-3 * straight.map.abs().max().item<double>());
}

TEST(GuidedIg, GoesWhereTheGradientIsSmallFirst) {
  // g = u v^2 with |dg/du| = v^2 the smaller at first: u moves before v, so v gets nearly the whole rise.
  const CallableScorer scorer([](const Tensor& x) {
    const Tensor u = x.select(3, 0).flatten(1), v = x.select(3, 1).flatten(1);
    return (u * 4 * v * v + v * 0.01).sum(1, true);
  });
  const Tensor x = at::full({1, 1, 1, 2}, 1.);
  const auto free = guided_ig(scorer, x, {.steps = 400, .fraction = 0.5, .max_distance = 1})[0];
  EXPECT_NEAR(free.map[0][1].item<double>(), 4.01, 0.1);
  const auto straight = guided_ig(scorer, x, {.steps = 400, .fraction = 0.5, .max_distance = 0})[0];
  EXPECT_NEAR(straight.map[0][0].item<double>(), 4. / 3, 0.01);
}

// BlurIG.

TEST(BlurIg, OfALinearScoreIsWhatTheBlurTookAway) {
  const auto result = blur_ig(linear_scorer(weights(), 5), photo().unsqueeze(0), {.steps = 5, .sigma = 3})[0];
  EXPECT_TRUE(result.map.allclose((weights() * (photo() - gaussian_blur(photo(), 3))).sum(0), 1e-4, 1e-4));
  EXPECT_NEAR(*result.completeness_gap, 0, 1e-3);
}

TEST(BlurIg, BeginsAtTheBlurAndEndsAtThePhoto) {
  Tensors seen;
  const CallableScorer scorer([&](const Tensor& x) {
    for (int64_t i = 0; i < x.size(0); ++i) seen.push_back(x[i].detach().clone());
    return (weights() * x * x).flatten(1).sum(1, true);
  });
  const auto result = blur_ig(scorer, photo().unsqueeze(0), {.steps = 4})[0];
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_TRUE(at::equal(seen.front(), photo()));
  const double sigma = 50. / 224 * height;
  EXPECT_TRUE(seen.back().allclose(gaussian_blur(photo(), sigma), 1e-5, 1e-6));
  EXPECT_NEAR(std::stod(result.plan.at("sigma")), sigma, 1e-5);
  const Tensor blurred = gaussian_blur(photo(), sigma);
  EXPECT_TRUE(result.map.allclose((weights() * (photo() * photo() - blurred * blurred)).sum(0), 1e-4, 1e-4));
}

TEST(BlurIg, TheGapFallsWithTheSteps) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const auto gap = [&](int64_t steps) {
    return std::abs(*blur_ig(scorer, photo().unsqueeze(0), {.steps = steps})[0].completeness_gap);
  };
  EXPECT_LT(gap(128), gap(8) / 30);
}

// XRAI.

TEST(Xrai, AddsUpToTheMeanRiseFromBlackAndWhite) {
  const Tensor w = weights();
  const auto result = xrai(linear_scorer(w, 5), photo().unsqueeze(0), {.finest = 4, .divisions = 3})[0];
  const Tensor terms = (w * (photo() - 127.5)).sum(0);
  EXPECT_TRUE(result.extras.at("attribution").allclose(terms, 1e-4, 1e-2));
  EXPECT_NEAR(result.map.sum().item<double>(), terms.sum().item<double>(), 1e-1);
}

TEST(Xrai, FindsTheObjectAndGivesItOneValue) {
  Tensor picture = at::zeros({3, 20, 20});
  picture.narrow(1, 5, 5).narrow(2, 10, 5).fill_(200);  // a square of its own colour
  Tensor w = at::zeros({3, 20, 20});
  w.narrow(1, 5, 5).narrow(2, 10, 5).fill_(1);
  const auto result = xrai(linear_scorer(w), picture.unsqueeze(0), {.finest = 4, .divisions = 4})[0];
  const Tensor inside = result.map.narrow(0, 5, 5).narrow(1, 10, 5);
  EXPECT_NEAR(inside.min().item<double>(), 3 * (200 - 127.5), 1);
  EXPECT_NEAR(inside.max().item<double>(), 3 * (200 - 127.5), 1);
  EXPECT_NEAR(result.map.sum().item<double>() - inside.sum().item<double>(), 0, 1e-2);
}

TEST(Xrai, HasFewerValuesThanPixels) {
  const auto result = xrai(curved_scorer(3, height, width), photo().unsqueeze(0), {.finest = 3, .divisions = 2})[0];
  std::set<float> values;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) values.insert(result.map[y][x].item<float>());
  EXPECT_LE(values.size(), 2u * 9u);
  EXPECT_GT(values.size(), 1u);
}

// ForGrad.

Tensor waves(double down, double across) {
  const Tensor y = at::arange(height, at::kDouble) / height, x = at::arange(width, at::kDouble) / width;
  return ((y.unsqueeze(1) * down + x.unsqueeze(0) * across) * (2 * std::numbers::pi)).cos();
}

TEST(ForGrad, KeepsFrequenciesUpToItsRadius) {
  const Tensor map = 10 + waves(3, 0) + waves(2, 4) * 2 + waves(0, 5) * 3;  // radii 3, 4.47, 5
  EXPECT_TRUE(forgrad(map, 5).allclose(map, 1e-9, 1e-9));
  EXPECT_TRUE(forgrad(map, 4.9).allclose(10 + waves(3, 0) + waves(2, 4) * 2, 1e-9, 1e-9));
  EXPECT_TRUE(forgrad(map, 4).allclose(10 + waves(3, 0), 1e-9, 1e-9));
  EXPECT_TRUE(forgrad(map, 0.5).allclose(at::full({height, width}, 10., at::kDouble), 1e-9, 1e-9));
  EXPECT_TRUE(forgrad(10 + waves(-2, 4), 4.5).allclose(10 + waves(-2, 4), 1e-9, 1e-9));
}

TEST(ForGrad, TakesSizesFirst) {
  const Tensor map = waves(3, 1);
  EXPECT_TRUE(forgrad(map, 4).allclose(forgrad(-map, 4)));
  EXPECT_GE(forgrad(map, 4).min().item<double>(), 0);
}

TEST(ForGrad, LeavesABrokenPixelWhereItIs) {
  Tensor map = 10 + waves(1, 1);
  map[2][3] = std::numeric_limits<double>::quiet_NaN();
  const Tensor filtered = forgrad(map, 2);
  EXPECT_EQ(filtered.isnan().sum().item<int64_t>(), 1);
  EXPECT_TRUE(std::isnan(filtered[2][3].item<double>()));
}

TEST(ForGrad, AsAnOptionIsTheFilterOfTheMap) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const Tensor x = photo().unsqueeze(0);
  const auto plain = parse_method("ig")->explain(scorer, x, {})[0];
  const auto filtered = parse_method("ig:forgrad=2")->explain(scorer, x, {})[0];
  EXPECT_TRUE(at::equal(filtered.map, forgrad(plain.map, 2)));
  EXPECT_FALSE(filtered.is_signed);
  EXPECT_FALSE(filtered.completeness_gap.has_value());
  EXPECT_THAT(filtered.method, testing::HasSubstr("forgrad=2"));
}

}  // namespace
}  // namespace vitrail
