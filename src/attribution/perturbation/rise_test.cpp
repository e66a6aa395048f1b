#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>
#include <vitrail/method.h>
#include <vitrail/rise.h>

#include <cmath>

#include "attribution/perturbation/masks.h"
#include "attribution/perturbation/scorers_for_tests.h"
#include "attribution/perturbation/student.h"

namespace vitrail {
namespace {

constexpr int64_t height = 16, width = 20;

const Tensor& photo() {
  static const Tensor photo = wave(3, height, width, 0.37);
  return photo;
}

Explanation explain(const RiseOptions& options, const Execution& execution = {}) {
  return rise(curved_scorer(3, height, width), photo().unsqueeze(0), options, execution).at(0);
}

TEST(Rise, IsTheWeightedMeanOfItsMasks) {
  const RiseOptions options{.masks = 70, .grid = 4, .keep = 0.3, .readout = RiseReadout::mean, .seed = 9};
  const Tensor masks = rise_masks(0, 70, {4, 0.3, 9}, height, width);
  const Tensor scores = curved_scorer(3, height, width).score(photo() * masks).select(1, 0).view({70, 1, 1});
  const Explanation result = explain(options);
  EXPECT_TRUE(at::allclose(result.map, (scores * masks.squeeze(1)).sum(0) / masks.squeeze(1).sum(0), 1e-4, 1e-4));
  EXPECT_NEAR(std::stod(result.plan.at("mean_score")), scores.mean().item<double>(), 1e-4);
  EXPECT_FALSE(result.is_signed);
  EXPECT_EQ(result.unit, "logit");
  EXPECT_EQ(result.seed, 9u);
}

// A linear score: the value of a pixel is E g plus what is shown along with it. Contributions +1 in the left third, -1
// in the right third, 0 between: the map must order the thirds, far beyond its error.
TEST(Rise, OrdersTheContributionsOfALinearScore) {
  Tensor weights = at::zeros({1, 12, 30});
  weights.narrow(2, 0, 10).fill_(1);
  weights.narrow(2, 20, 10).fill_(-1);
  const auto result = rise(linear_scorer(weights, 5), weights.abs().unsqueeze(0), {.masks = 1500, .grid = 3})[0];
  const auto third = [&](const Tensor& map, int64_t k) { return map.narrow(1, 10 * k + 3, 4).mean().item<double>(); };
  const double error = third(result.standard_error, 1);
  EXPECT_GT(third(result.map, 0), third(result.map, 1) + 5 * error);
  EXPECT_GT(third(result.map, 1), third(result.map, 2) + 5 * error);
  EXPECT_NEAR(third(result.map, 1), 5, 5 * error);  // E g = 5 by symmetry
}

TEST(Rise, ErrorFallsWithTheRootOfTheMasks) {
  const auto error = [](int64_t masks) {
    return explain({.masks = masks, .readout = RiseReadout::mean}).standard_error.mean().item<double>();
  };
  const double few = error(200), many = error(3200);
  EXPECT_NEAR(few / many, 4, 0.4);
}

TEST(Rise, TheErrorIsTheSpreadOverSeeds) {
  for (const RiseReadout readout : {RiseReadout::mean, RiseReadout::least_squares})
    for (const bool antithetic : {false, true}) {
      Tensors maps;
      double error = 0;
      for (uint64_t seed = 1; seed <= 40; ++seed) {
        const Explanation result =
            explain({.masks = 200, .grid = 4, .readout = readout, .antithetic = antithetic, .seed = seed});
        maps.push_back(result.map);
        error += result.standard_error.mean().item<double>() / 40;
      }
      EXPECT_NEAR(at::stack(maps).std(0).mean().item<double>() / error, 1, 0.2) << antithetic;
    }
}

// A score that is linear in the masks' means over the cells: least squares has no noise, and its map is the limit of
// the mean read-out.
TEST(Rise, LeastSquaresIsTheLimitOfTheMean) {
  const Tensor contributions = wave(1, 4, 4, 1.3)[0].repeat_interleave(4, 0).repeat_interleave(5, 1) / 20;
  const CallableScorer scorer([&](const Tensor& x) { return (x * contributions).flatten(1).sum(1, true) + 3; });
  const Tensor ones = at::zeros({1, 1, height, width}) + 1;
  RiseOptions options{.masks = 100, .grid = 4, .keep = 0.4};
  const Explanation exact = rise(scorer, ones, options)[0];
  EXPECT_LT(exact.standard_error.max().item<double>(), 1e-5);
  options.masks = 4000;
  options.readout = RiseReadout::mean;
  const Explanation mean = rise(scorer, ones, options)[0];
  const Tensor z = (exact.map - mean.map) / mean.standard_error;
  EXPECT_LT(z.abs().max().item<double>(), 4.5);
  EXPECT_GT((exact.map.max() - exact.map.min()).item<double>(), 20 * mean.standard_error.max().item<double>());
}

TEST(Rise, AntitheticMasksAreOpposed) {
  const Tensor masks = rise_masks(0, 6, {4, 0.5, 9, true}, height, width);
  for (const int64_t pair : {0, 2, 4}) EXPECT_LT((masks[pair] + masks[pair + 1] - 1).abs().max().item<double>(), 1e-6);
  EXPECT_FALSE(at::equal(masks[0], masks[2]));
}

TEST(Rise, StopsWhenTheCellsAreKnown) {
  Tensor weights = at::zeros({1, 12, 30});
  weights.narrow(1, 0, 4).narrow(2, 0, 10).fill_(1);  // one cell of nine speaks for the target
  const auto run = [&](const RiseOptions& options, int64_t batch) {
    Execution execution;
    execution.batch = batch;
    return rise(linear_scorer(weights, 5), at::zeros({1, 1, 12, 30}) + 1, options, execution)[0];
  };
  for (const RiseReadout readout : {RiseReadout::mean, RiseReadout::least_squares}) {
    const Explanation result = run({.masks = 6000, .grid = 3, .readout = readout, .tolerance = 0.3}, 8);
    EXPECT_LT(result.forwards, 6000);
    EXPECT_FALSE(result.partial);
    EXPECT_NE(result.plan.at("settled").find(" settled at look "), std::string::npos);
    const RiseOptions top{.masks = 6000, .grid = 3, .readout = readout, .top = 1};
    EXPECT_LT(run(top, 8).forwards, 6000);
    EXPECT_EQ(run(top, 1).forwards, run(top, 8).forwards);  // looks do not depend on the batch
  }
}

TEST(Rise, LeastSquaresIntervalsCoverTheLimit) {
  constexpr int64_t side = 6, runs = 1000;
  const Tensor x = wave(1, side, side, 0.9);
  const CallableScorer scorer([&](const Tensor& shown) {
    const Tensor cells = (shown * x).flatten(1);
    return cells.sum(1, true) + cells.narrow(1, 0, 8).sum(1, true) * cells.narrow(1, 20, 8).sum(1, true);
  });
  const Tensor image = at::zeros({1, 1, side, side}) + 1;
  RiseOptions options{.masks = 30000, .grid = 3};
  const Tensor limit = rise(scorer, image, options)[0].map;
  options.masks = 160;
  double covered = 0;
  for (int64_t run = 0; run < runs; ++run) {
    options.seed = static_cast<uint64_t>(run) + 2;
    const Explanation result = rise(scorer, image, options)[0];
    const Tensor inside = (result.map - limit).abs() <= result.standard_error * student_quantile(0.05, 19);
    covered += inside.to(at::kDouble).mean().item<double>() / runs;
  }
  EXPECT_GT(covered, 0.92);
  EXPECT_LT(covered, 0.98);
}

TEST(Rise, AStopGivesTheMapOfTheMasksDone) {
  Execution execution;
  execution.budget.forwards = 300;
  const Explanation stopped = explain({.masks = 1000}, execution), complete = explain({.masks = 300});
  EXPECT_TRUE(stopped.partial);
  EXPECT_EQ(stopped.plan.at("masks"), "300");
  EXPECT_TRUE(at::equal(stopped.map, complete.map));
  EXPECT_TRUE(at::equal(stopped.standard_error, complete.standard_error));
}

TEST(Rise, EveryOptionMatters) {
  const Tensor reference = explain({.masks = 60}).map;
  for (const RiseOptions& options :
       {RiseOptions{.masks = 61}, RiseOptions{.masks = 60, .grid = 5}, RiseOptions{.masks = 60, .keep = 0.4},
        RiseOptions{.masks = 60, .readout = RiseReadout::mean}, RiseOptions{.masks = 60, .antithetic = true},
        RiseOptions{.masks = 60, .seed = 2}, RiseOptions{.masks = 60, .baseline = Baseline("30")}})
    EXPECT_FALSE(at::equal(reference, explain(options).map));
}

// A NaN pixel poisons the score of every mask that shows it; the others still explain the rest.
TEST(Rise, LeavesOutMasksThatShowANan) {
  Tensor input = photo().clone();
  input[0][8][10] = std::nan("");
  const auto result = rise(curved_scorer(3, height, width), input.unsqueeze(0), {.masks = 300, .grid = 4})[0];
  EXPECT_TRUE(at::isfinite(result.map).all().item<bool>());
  const int64_t used = std::stoll(result.plan.at("masks"));
  EXPECT_GT(used, 20);
  EXPECT_LT(used, 280);
  EXPECT_FALSE(result.warnings.empty());
}

TEST(Rise, RefusesWhatMakesNoSense) {
  EXPECT_THROW(parse_method("rise:masks=0"), UsageError);
  EXPECT_THROW(parse_method("rise:keep=1"), UsageError);
  EXPECT_THROW(explain({.grid = 0}), UsageError);
}

}  // namespace
}  // namespace vitrail
