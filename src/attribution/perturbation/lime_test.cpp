#include <vitrail/lime.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>
#include <vitrail/method.h>

#include <cmath>
#include <string>

#include "attribution/perturbation/games_for_tests.h"
#include "attribution/perturbation/scorers_for_tests.h"
#include "attribution/perturbation/student.h"

namespace vitrail {
namespace {

constexpr int64_t height = 12, width = 15;

Tensor photo() { return wave(3, height, width, 0.37).unsqueeze(0); }

TEST(Lime, IsTheContributionsOfALinearScore) {
  const Tensor weights = wave(3, height, width, 0.7);
  const Tensor contributions = (weights * photo()[0]).sum(0).view({3, 4, 3, 5}).sum({1, 3}).flatten();
  const auto result = lime(linear_scorer(weights, 7), photo(), {.grid = 3, .samples = 200, .ridge = 0})[0];
  EXPECT_LT(distance_of_cells(result.cells, contributions), 1e-4);
  EXPECT_NEAR(std::stod(result.plan.at("explained")), 1, 1e-6);
  const auto shrunk = lime(linear_scorer(weights, 7), photo(), {.grid = 3, .samples = 200, .ridge = 100})[0];
  EXPECT_LT(shrunk.cells.norm().item<double>(), 0.5 * result.cells.norm().item<double>());
}

/// The weighted least squares of the game over all 512 coalitions: what lime converges to with keep = 1/2 and no ridge.
/// Every region hides a ninth of the squared distance.
Tensor limit(const CallableScorer& scorer, double kernel_width) {
  const Tensor numbers = at::arange(512, at::kLong).unsqueeze(1);
  const Tensor z =
      numbers.div(at::ones({9}, at::kLong).mul(2).pow(at::arange(9, at::kLong)), "floor").remainder(2).to(at::kDouble);
  const Tensor y = scorer.score(z.view({512, 1, 3, 3}));
  const Tensor w = ((1 - z).sum(1, true) / (-9 * kernel_width * kernel_width)).exp();
  const Tensor x = at::cat({at::ones({512, 1}, at::kDouble), z}, 1);
  return at::linalg_solve(at::matmul(x.t(), x * w), at::matmul(x.t(), y * w)).narrow(0, 1, 9).squeeze(1);
}

TEST(Lime, ConvergesToTheWeightedRegressionOfAllCoalitions) {
  const Tensor near = limit(mixed_game(), 0.4), far = limit(mixed_game(), 10);
  EXPECT_GT((near - far).abs().max().item<double>(), 0.3);  // the width decides
  for (const bool antithetic : {false, true}) {
    const LimeOptions options{.grid = 3, .samples = 8000, .width = 0.4, .ridge = 0, .antithetic = antithetic};
    EXPECT_LT(distance_of_cells(lime(mixed_game(), nine_ones(), options)[0].cells, near), 0.15);
  }
  EXPECT_LT(distance_of_cells(
                lime(mixed_game(), nine_ones(), {.grid = 3, .samples = 8000, .width = 10, .ridge = 0})[0].cells, far),
            0.1);
}

// Twice the image, each pixel four times: the same regions, the same distances as shares of the whole.
TEST(Lime, TheWidthScalesWithTheImage) {
  const Tensor weights = wave(3, height, width, 0.7), v = wave(3, height, width, 1.9);
  const auto scorer = [&](int64_t scale) {
    return CallableScorer([=](const Tensor& x) {
      const Tensor small = x.slice(2, 0, x.size(2), scale).slice(3, 0, x.size(3), scale);
      const Tensor a = (small * weights).flatten(1).sum(1, true), b = (small * v).flatten(1).sum(1, true);
      return a * b + a;
    });
  };
  const Tensor large = photo().repeat_interleave(2, 2).repeat_interleave(2, 3);
  const auto one = lime(scorer(1), photo(), {.grid = 3, .samples = 100, .width = 0.3})[0];
  const auto two = lime(scorer(2), large, {.grid = 3, .samples = 100, .width = 0.3})[0];
  const double range = (one.cells.max() - one.cells.min()).item<double>();
  EXPECT_LT((one.cells - two.cells).abs().max().item<double>() / range, 1e-5);
}

TEST(Lime, SamplesTooFarAwayCountAlikeAndItSaysSo) {
  const LimeOptions options{.grid = 3, .samples = 60, .width = 0.005};
  const auto far = lime(mixed_game(), nine_ones(), options)[0];
  ASSERT_EQ(far.warnings.size(), 1u);
  EXPECT_NE(far.warnings[0].find("width=0.005"), std::string::npos);
  EXPECT_NEAR(std::stod(far.plan.at("effective_samples")), 60, 1e-6);
  const auto alike = lime(mixed_game(), nine_ones(), {.grid = 3, .samples = 60, .width = 1e6})[0];
  EXPECT_LT((far.cells - alike.cells).abs().max().item<double>(), 1e-5);
  EXPECT_TRUE(alike.warnings.empty());
}

// A broken pixel poisons the samples that show its region; the others still explain the rest.
TEST(Lime, LeavesOutSamplesThatShowANan) {
  Tensor input = photo().clone();
  input[0][0][1][1] = std::nan("");
  const Tensor weights = wave(3, height, width, 0.7);
  const Tensor contributions = (weights * photo()[0]).sum(0).view({3, 4, 3, 5}).sum({1, 3}).flatten();
  const auto result = lime(linear_scorer(weights), input, {.grid = 3, .samples = 300, .ridge = 0})[0];
  EXPECT_LT((result.cells.flatten().narrow(0, 1, 8) - contributions.narrow(0, 1, 8)).abs().max().item<double>(), 1e-3);
  EXPECT_EQ(result.cells[0][0].item<double>(), 0);
  EXPECT_FALSE(result.warnings.empty());
}

TEST(Lime, IntervalsCoverTheLimit) {
  const double t = student_quantile(0.05, 19);
  const Tensor truth = limit(mixed_game(), 0.6);
  double covered = 0;
  constexpr int runs = 1000;
  for (int run = 0; run < runs; ++run) {
    const LimeOptions options{.grid = 3, .samples = 200, .width = 0.6, .ridge = 0, .seed = static_cast<uint64_t>(run)};
    const auto result = lime(mixed_game(), nine_ones(), options)[0];
    const Tensor distance = (result.cells.flatten().to(at::kDouble) - truth).abs();
    covered += (distance <= result.standard_error.flatten() * t).to(at::kDouble).mean().item<double>() / runs;
  }
  EXPECT_GT(covered, 0.92);
  EXPECT_LT(covered, 0.98);
}

}  // namespace
}  // namespace vitrail
