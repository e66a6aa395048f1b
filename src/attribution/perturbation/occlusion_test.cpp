#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>
#include <vitrail/method.h>
#include <vitrail/occlusion.h>

#include <array>
#include <cmath>

#include "attribution/perturbation/scorers_for_tests.h"

namespace vitrail {
namespace {

constexpr int64_t height = 9, width = 11;

const Tensor& photo() {
  static const Tensor photo = wave(2, height, width, 0.37);
  return photo;
}

const Tensor& weights() {
  static const Tensor weights = wave(2, height, width, 0.7);
  return weights;
}

Explanation explain_linear(const OcclusionOptions& options) {
  return occlusion(linear_scorer(weights(), 2), photo().unsqueeze(0), options).at(0);
}

/// For every pixel the sum, over the windows that cover it, of the contributions under the window.
Tensor window_sums(const Tensor& contributions, int64_t patch, int64_t stride) {
  Tensor map = at::zeros({height, width});
  for (int64_t top = 0; top + patch <= height; top += stride)
    for (int64_t left = 0; left + patch <= width; left += stride)
      map.narrow(0, top, patch).narrow(1, left, patch) +=
          contributions.narrow(0, top, patch).narrow(1, left, patch).sum();
  return map;
}

TEST(Occlusion, OfOnePixelIsTheContributionOfALinearScore) {
  const Explanation zero = explain_linear({.patch = 1, .stride = 1});
  EXPECT_TRUE(at::allclose(zero.map, (weights() * photo()).sum(0), 1e-4, 1e-5));
  EXPECT_TRUE(at::equal(zero.map, zero.cells));
  const Explanation mean = explain_linear({.patch = 1, .stride = 1, .baseline = Baseline("mean")});
  const Tensor difference = photo() - photo().mean({1, 2}, true);
  EXPECT_TRUE(at::allclose(mean.map, (weights() * difference).sum(0), 1e-4, 1e-5));
}

TEST(Occlusion, OverlappingWindowsAdd) {
  const Tensor contributions = (weights() * photo()).sum(0);
  for (const auto& [patch, stride] : {std::pair<int64_t, int64_t>{3, 2}, {4, 1}, {2, 3}, {9, 1}, {5, 4}})
    EXPECT_TRUE(at::allclose(explain_linear({.patch = patch, .stride = stride}).map,
                             window_sums(contributions, patch, stride), 1e-4, 1e-4))
        << "patch " << patch << ", stride " << stride;
}

TEST(Occlusion, CoverageDividesTheSum) {
  const Tensor contributions = (weights() * photo()).sum(0);
  const Tensor mean = explain_linear({.patch = 4, .stride = 2, .normalise_coverage = true}).map;
  // Every pixel of the sums of ones is patch^2 times the number of windows that cover it.
  const Tensor coverage = window_sums(at::ones({height, width}), 4, 2) / 16;
  EXPECT_TRUE(at::allclose(mean, window_sums(contributions, 4, 2) / coverage.clamp_min(1), 1e-4, 1e-4));
}

TEST(Occlusion, WindowsAreWholeAndPixelsPastTheLastReadZero) {
  const Explanation result = explain_linear({.patch = 4, .stride = 3});  // 9 = 4 + 3 + 2, 11 = 4 + 2 x 3 + 1
  EXPECT_EQ(result.cells.sizes(), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(result.map.narrow(0, 7, 2).abs().max().item<float>(), 0);
  EXPECT_EQ(result.map.narrow(1, 10, 1).abs().max().item<float>(), 0);
  for (const auto& [side, patch, stride] : {std::array<int64_t, 3>{224, 32, 16}, {10, 3, 3}, {7, 7, 1}, {29, 4, 5}}) {
    const auto method = parse_method("occlusion:patch=" + std::to_string(patch) + ",stride=" + std::to_string(stride));
    const double windows = std::ceil(static_cast<double>(side - patch + 1) / static_cast<double>(stride));
    EXPECT_EQ(static_cast<double>(method->cost(side, side, 1).forwards), 1 + windows * windows);
  }
}

TEST(Occlusion, ChoosesAndRecordsItsWindow) {
  EXPECT_EQ(parse_method("occlusion")->cost(224, 224, 1).forwards, 1 + 13 * 13);  // 32 by 16
  const Explanation result = occlusion(linear_scorer(wave(1, 30, 40, 1)), wave(1, 30, 40, 0.2).unsqueeze(0)).at(0);
  EXPECT_EQ(result.plan.at("patch"), "4");
  EXPECT_EQ(result.plan.at("stride"), "2");
  EXPECT_EQ(result.plan.at("windows"), "14x19");
  EXPECT_TRUE(result.is_signed);
  EXPECT_EQ(result.unit, "logit");
}

TEST(Occlusion, EveryOptionMatters) {
  const Tensor reference = explain_linear({.patch = 4, .stride = 2}).map;
  for (const OcclusionOptions& options :
       {OcclusionOptions{.patch = 3, .stride = 2}, OcclusionOptions{.patch = 4, .stride = 3},
        OcclusionOptions{.patch = 4, .stride = 2, .baseline = Baseline("100")},
        OcclusionOptions{.patch = 4, .stride = 2, .normalise_coverage = true}})
    EXPECT_FALSE(at::equal(reference, explain_linear(options).map));
}

TEST(Occlusion, ANanUnderTheWindowDoesNotReachTheModel) {
  Tensor input = photo().clone();
  input[1][4][5] = std::nan("");
  int64_t finite = 0;
  const CallableScorer scorer([&](const Tensor& x) {
    const Tensor scores = x.flatten(1).sum(1, true);
    finite += at::isfinite(scores).sum().item<int64_t>();
    return scores;
  });
  const auto results = occlusion(scorer, input.unsqueeze(0), {.patch = 3, .stride = 1});
  EXPECT_EQ(finite, 9);  // windows of 3 x 3 that cover the pixel
  EXPECT_FALSE(results[0].warnings.empty());
}

TEST(Occlusion, ANanScoreStaysUnderItsWindow) {
  const CallableScorer scorer([](const Tensor& x) {  // undefined where the corner is hidden
    const Tensor corner = x.select(1, 0).select(1, 0).select(1, 0);
    return (x.flatten(1).sum(1) + corner / corner).unsqueeze(1);
  });
  const auto result = occlusion(scorer, photo().unsqueeze(0) + 2, {.patch = 3, .stride = 3})[0];
  const Tensor broken = at::isnan(result.map);
  EXPECT_TRUE(broken.narrow(0, 0, 3).narrow(1, 0, 3).all().item<bool>());
  EXPECT_EQ(broken.sum().item<int64_t>(), 9);
}

TEST(Occlusion, AnEarlyStopLeavesWindowsTriedEverywhere) {
  Execution execution;
  execution.budget.forwards = 40;  // of 1 + 99
  const auto result =
      occlusion(linear_scorer(weights()), photo().unsqueeze(0), {.patch = 1, .stride = 1}, execution)[0];
  const Tensor tried = result.map != 0;
  EXPECT_EQ(tried.sum().item<int64_t>(), 39);
  EXPECT_TRUE(tried.any(1).all().item<bool>());
  EXPECT_TRUE(tried.any(0).all().item<bool>());
}

TEST(Occlusion, RefusesAWindowLargerThanTheImage) {
  EXPECT_THROW(explain_linear({.patch = 10}), UsageError);
  EXPECT_THROW(parse_method("occlusion:patch=30")->cost(29, 40, 1), UsageError);
  EXPECT_THROW(parse_method("occlusion:stride=-1"), UsageError);
}

}  // namespace
}  // namespace vitrail
