// shapley, exact_shapley, owen and kernel_shap on games whose values are known.

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>
#include <vitrail/kernel_shap.h>
#include <vitrail/method.h>
#include <vitrail/regions.h>
#include <vitrail/shapley.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "attribution/perturbation/games_for_tests.h"
#include "attribution/perturbation/halves.h"
#include "attribution/perturbation/scorers_for_tests.h"
#include "attribution/perturbation/student.h"

namespace vitrail {
namespace {

constexpr int64_t height = 12, width = 15;

Tensor photo() { return wave(3, height, width, 0.37).unsqueeze(0); }

TEST(ExactShapley, IsTheDefinition) {
  const auto result = exact_shapley(mixed_game(), nine_ones())[0];
  EXPECT_LT(distance_of_cells(result.cells, mixed_game_values()), 1e-6);
  EXPECT_NEAR(*result.completeness_gap, 0, 1e-9);
  EXPECT_EQ(result.forwards, 512);
  EXPECT_FALSE(result.standard_error.defined());
}

TEST(ExactShapley, RefusesMoreRegionsThanItCanDo) {
  EXPECT_THROW(exact_shapley(curved_scorer(3, height, width), photo(), {.grid = 5}), UsageError);
  EXPECT_THROW(parse_method("exact_shapley:grid=5")->cost(height, width, 1), UsageError);
  EXPECT_EQ(parse_method("exact_shapley:grid=4")->cost(height, width, 1).forwards, 65536);
}

// Stopped after the coalitions of at most one and at least eight players: what each adds to none and to all others.
TEST(ExactShapley, StoppedEarlyIsTheMeanOverTheSizesDone) {
  Execution execution;
  execution.budget.forwards = 20;
  const auto result = exact_shapley(mixed_game(), nine_ones(), {}, execution)[0];
  EXPECT_TRUE(result.partial);
  const Tensor expected = at::tensor({.4 + 1.5, -.3 + 1.5, 1 - 1., -1., .2 - 1., -.5, .6, 0., 0.}, at::kDouble);
  EXPECT_LT(distance_of_cells(result.cells, expected), 1e-6);
}

TEST(Shapley, ReversedOrdersCancelPairsOfPlayers) {
  const auto pairs = game([](const Tensor& x) { return x.select(1, 0) * x.select(1, 4) * 3 - x.select(1, 8); });
  const auto result = shapley(pairs, nine_ones(), {.grid = 3, .permutations = 4})[0];
  EXPECT_LT(distance_of_cells(result.cells, at::tensor({1.5, 0., 0., 0., 1.5, 0., 0., 0., -1.}, at::kDouble)), 1e-6);
  const auto single = shapley(pairs, nine_ones(), {.grid = 3, .permutations = 5, .antithetic = false})[0];
  EXPECT_GT(single.standard_error.max().item<double>(), 0.1);
}

TEST(Shapley, ConvergesToTheExactValues) {
  for (const bool antithetic : {true, false}) {
    const auto result =
        shapley(mixed_game(), nine_ones(), {.grid = 3, .permutations = 1000, .antithetic = antithetic})[0];
    EXPECT_LT(distance_of_cells(result.cells, mixed_game_values()), 0.15);
    EXPECT_NEAR(*result.completeness_gap, 0, 1e-9);
    EXPECT_LE(result.forwards, 512);  // no coalition is scored twice
  }
}

TEST(KernelShap, ConvergesToTheExactValues) {
  for (const char* options : {"", ",paired=false", ",ridge=false", ",sizes=kernel", ",sizes=kernel,paired=false"}) {
    const auto result = parse_method("kernel_shap:grid=3,coalitions=6000" + std::string(options))
                            ->explain(mixed_game(), nine_ones(), {})[0];
    EXPECT_LT(distance_of_cells(result.cells, mixed_game_values()), 0.2) << options;
    EXPECT_NEAR(*result.completeness_gap, 0, 1e-9);
    EXPECT_LE(result.forwards, 512) << "no coalition is scored twice";
  }
}

// A linear score has no noise: every coalition tells the same values.
TEST(KernelShap, IsTheContributionsOfALinearScore) {
  const Tensor weights = wave(3, height, width, 0.7);
  const Tensor contributions = (weights * photo()[0]).sum(0).view({3, 4, 3, 5}).sum({1, 3}).flatten();
  for (const bool paired : {true, false}) {
    const auto result =
        kernel_shap(linear_scorer(weights, 7), photo(), {.grid = 3, .coalitions = 200, .paired = paired})[0];
    EXPECT_LT(distance_of_cells(result.cells, contributions), 1e-4);
    EXPECT_LT(result.standard_error.max().item<double>(), 1e-4);
  }
}

TEST(KernelShap, BatchesAreCutForALookOnlyWhereSomebodyLooks) {
  const auto batches = [](double tolerance) {
    std::vector<int64_t> sizes;
    const CallableScorer scorer([&](const Tensor& x) {
      sizes.push_back(x.size(0));
      return x.flatten(1).sin().sum(1, /*keepdim=*/true);
    });
    Execution execution;
    execution.batch = 64;
    kernel_shap(scorer, photo(), {.grid = 6, .coalitions = 256, .tolerance = tolerance}, execution);
    return sizes;
  };
  EXPECT_EQ(batches(0), (std::vector<int64_t>{1, 1, 64, 64, 64, 64}));
  EXPECT_EQ(batches(1e-9), (std::vector<int64_t>{1, 1, 64, 16, 22, 26, 34, 42, 52}));  // 40, 51, 64, 81, 102, 128 pairs
}

TEST(KernelShap, SumsToTheDifferenceAtAnyBudget) {
  for (const int64_t budget : {2, 3, 5, 11, 40}) {
    Execution execution;
    execution.budget.forwards = budget;
    const auto result = kernel_shap(curved_scorer(3, height, width), photo(), {.grid = 4}, execution)[0];
    EXPECT_TRUE(result.partial);
    EXPECT_NEAR(*result.completeness_gap, 0, 1e-6) << budget;
  }
}

// The score is the square of the number of players: interactions, but all of them alike.
TEST(KernelShap, TheTrendTakesUpWhatTheNumberOfRegionsExplains) {
  const auto square = game([](const Tensor& x) { return x.sum(1).square() + x.select(1, 0); });
  const auto result = kernel_shap(square, nine_ones(), {.grid = 3, .coalitions = 60, .paired = false})[0];
  const Tensor expected = at::tensor({10., 9., 9., 9., 9., 9., 9., 9., 9.}, at::kDouble);
  EXPECT_LT(distance_of_cells(result.cells, expected), 1e-3);
}

/// Owen values by their definition: the mean over all orders in which the halves of every part stay together.
Tensor owen_by_orders(const CallableScorer& scorer, const std::vector<Part>& parts) {
  int64_t splits = 0;
  for (const Part& part : parts) splits += !part.is_region();
  Tensor values = at::zeros({9}, at::kDouble);
  for (int64_t choice = 0; choice < int64_t{1} << splits; ++choice) {
    std::vector<int64_t> order;
    std::vector<int64_t> number(parts.size());
    for (size_t i = 0, n = 0; i < parts.size(); ++i) number[i] = static_cast<int64_t>(parts[i].is_region() ? 0 : n++);
    const std::function<void(size_t)> walk = [&](size_t i) {
      if (parts[i].is_region()) return order.push_back(parts[i].regions[0]);
      const bool swapped = choice >> number[i] & 1;
      walk(swapped ? parts[i].second : parts[i].first);
      walk(swapped ? parts[i].first : parts[i].second);
    };
    walk(0);
    Tensor shown = at::zeros({1, 1, 3, 3});
    double before = scorer.score(shown).item<double>();
    for (const int64_t player : order) {
      shown.view({9})[player] = 1;
      const double after = scorer.score(shown).item<double>();
      values[player] += (after - before) / static_cast<double>(int64_t{1} << splits);
      before = after;
    }
  }
  return values;
}

TEST(Owen, IsTheMeanOverOrdersThatKeepHalvesTogether) {
  const LabelMap grid = Regions().divide(nine_ones()[0], 3);
  const auto result = owen(mixed_game(), nine_ones(), {.grid = 3})[0];
  EXPECT_LT(distance_of_cells(result.cells, owen_by_orders(mixed_game(), halve(grid))), 1e-6);
  EXPECT_GT(distance_of_cells(result.cells, mixed_game_values()), 0.01);  // which Shapley values are not
  EXPECT_NEAR(*result.completeness_gap, 0, 1e-9);
}

TEST(Owen, IsTheContributionsOfALinearScore) {
  const Tensor weights = wave(3, height, width, 0.7);
  const Tensor contributions = (weights * photo()[0]).sum(0).view({3, 4, 3, 5}).sum({1, 3}).flatten();
  const auto result = owen(linear_scorer(weights, 7), photo(), {.grid = 3})[0];
  EXPECT_LT(distance_of_cells(result.cells, contributions), 1e-4);
}

// Two evaluations know the halves, whose cells share their value.
TEST(Owen, FewEvaluationsGiveACoarseMap) {
  const auto rows = game([](const Tensor& x) { return x.narrow(1, 0, 3).sum(1); });
  const auto result = owen(rows, nine_ones(), {.grid = 3, .evaluations = 2})[0];
  const std::vector<Part> parts = halve(Regions().divide(nine_ones()[0], 3));
  Tensor expected = at::zeros({9}, at::kDouble);
  for (const size_t half : {parts[0].first, parts[0].second}) {
    double value = 0;
    for (const int64_t region : parts[half].regions) value += region < 3;
    for (const int64_t region : parts[half].regions)
      expected[region] = value / static_cast<double>(parts[half].regions.size());
  }
  EXPECT_LT(distance_of_cells(result.cells, expected), 1e-6);
  EXPECT_EQ(result.forwards, 4);
}

// Where cells act alone or in pairs, what a neighbour changes in one context it changes back in the opposed one.
TEST(Owen, TwoOpposedContextsAreExactForPairsOfCells) {
  const Tensor input = at::ones({1, 1, 8, 8});
  const Tensor alone = wave(1, 8, 8, 0.7).flatten(), in_pairs = wave(1, 64, 64, 0.31)[0];
  const CallableScorer scorer([&](const Tensor& x) {
    const Tensor cells = x.flatten(1);
    return (at::matmul(cells, alone) + (at::matmul(cells, in_pairs) * cells).sum(1)).unsqueeze(1);
  });
  const auto few = owen(scorer, input, {.evaluations = 250})[0], all = owen(scorer, input, {.evaluations = 9999})[0];
  EXPECT_EQ(few.forwards, 252);
  EXPECT_EQ(all.forwards, 2732);
  EXPECT_LT(distance_of_cells(few.cells, all.cells.flatten()), 1e-5 * all.cells.abs().max().item<double>());
}

TEST(Owen, CostsWhatItsTreeHas) {
  const auto forwards = [](const std::string& method) { return parse_method(method)->cost(height, width, 1).forwards; };
  EXPECT_EQ(forwards("owen:grid=2,evaluations=99"),
            2 + 2 + 8);                                         // halves; of each its two cells beside the other or not
  EXPECT_EQ(forwards("owen:grid=2,evaluations=9"), 2 + 2 + 4);  // opposed contexts stay together
  EXPECT_EQ(forwards("owen"), 492);
  EXPECT_EQ(forwards("owen:evaluations=9999"), 2732);  // 2 + 2 (1 + 4 + 16 + ... + 4^5)
}

TEST(Halves, CutAcrossTheLongerSide) {
  const LabelMap grid = Regions().divide(at::zeros({1, 16, 32}), 4);
  const std::vector<Part> parts = halve(grid);
  EXPECT_EQ(parts.size(), 31u);
  EXPECT_EQ(parts[parts[0].first].regions, (std::vector<int64_t>{0, 4, 8, 12, 1, 5, 9, 13}));  // the left half
  for (const Part& part : parts) {
    if (part.is_region()) continue;
    EXPECT_EQ(parts[part.first].regions.size(), parts[part.second].regions.size());
  }
}

/// Share of 95 % intervals, over cells of known value and 1000 seeds, that hold it.
double coverage(const std::string& method, double degrees) {
  const double t = student_quantile(0.05, degrees);
  const CallableScorer scorer = mixed_game();
  const Tensor image = nine_ones();
  double covered = 0;
  constexpr int runs = 1000;
  for (int run = 0; run < runs; ++run) {
    const auto result = parse_method(method + ",seed=" + std::to_string(run))->explain(scorer, image, {})[0];
    // The image has a pixel a cell: the error map is the errors of the cells.
    const Tensor distance = (result.cells.flatten().to(at::kDouble) - mixed_game_values()).abs();
    const Tensor half_width = result.standard_error.flatten().to(at::kDouble) * t;
    covered += (distance.narrow(0, 0, 5) <= half_width.narrow(0, 0, 5)).to(at::kDouble).mean().item<double>() / runs;
  }
  return covered;
}

TEST(Shapley, IntervalsCoverTheTruth) {
  const double share = coverage("shapley:grid=3,permutations=30,antithetic=false", 29);
  EXPECT_GT(share, 0.92);
  EXPECT_LT(share, 0.98);
}

TEST(KernelShap, IntervalsCoverTheTruth) {
  const double share = coverage("kernel_shap:grid=3,coalitions=240", 19);
  EXPECT_GT(share, 0.92);
  EXPECT_LT(share, 0.98);
}

}  // namespace
}  // namespace vitrail
