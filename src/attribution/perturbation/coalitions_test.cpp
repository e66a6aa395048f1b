#include "attribution/perturbation/coalitions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "attribution/perturbation/scorers_for_tests.h"

namespace vitrail {
namespace {

constexpr int64_t height = 12, width = 15;

Tensor photo() { return wave(3, height, width, 0.37); }

/// A run on one photo that counts what is sent.
struct Fixture {
  explicit Fixture(int64_t grid, const Execution& execution = {})
      : scorer(
            [this](const Tensor& x) {
              sent += x.size(0);
              return curved.score(x);
            },
            curved.targets()),
        run(scorer, photo(), execution, {}, 100),
        perturber(photo(), scorer, {}, grid, {}),
        coalitions(run, perturber) {}

  int64_t sent = 0;
  CallableScorer curved = curved_scorer(3, height, width);
  CallableScorer scorer;
  MethodRun run;
  Perturber perturber;
  CoalitionScorer coalitions;
};

TEST(Coalitions, FewRegionsAreScoredOnce) {
  Fixture small(3);
  const Tensor some = at::stack({at::ones({9}, at::kDouble), at::zeros({9}, at::kDouble), at::ones({9}, at::kDouble)});
  const std::vector<int64_t> numbers = {0, 1, 2};
  const Tensor first = small.coalitions.score(some, numbers), second = small.coalitions.score(some, numbers);
  EXPECT_EQ(small.sent, 2);
  EXPECT_TRUE(at::equal(first, second));
  EXPECT_TRUE(at::equal(first[0], first[2]));
}

TEST(Coalitions, OfManyRegionsOnlyTheEndsAreKept) {
  Fixture large(5);
  Tensor half = at::zeros({25}, at::kDouble), one = half.clone();
  half.narrow(0, 0, 12).fill_(1);
  one[7] = 1;
  const Tensor some = at::stack({half, one, 1 - one});
  const std::vector<int64_t> numbers = {0, 1, 2};
  large.coalitions.score(some, numbers);
  large.coalitions.score(some, numbers);
  EXPECT_EQ(large.sent, 4);  // `half` twice
}

TEST(Coalitions, APathIsItsPrefixes) {
  Fixture f(3);
  const std::vector<int64_t> order = draw_order(9, 1, 0);
  EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 9u);
  const std::vector<CoalitionPath> paths = {{order, 0}, {draw_order(9, 1, 1), 1}};
  ASSERT_EQ(f.coalitions.score_paths(paths).size(), 2u);
  const Tensor path = f.coalitions.score_paths(paths)[0];
  ASSERT_EQ(path.size(0), 10);
  Tensor shown = at::zeros({1, 9}, at::kDouble);
  for (int64_t step = 0; step <= 9; ++step) {
    EXPECT_LT((path[step] - f.curved.score(f.perturber.images(shown))[0]).abs().max().item<double>(), 1e-5);
    if (step < 9) shown[0][order[static_cast<size_t>(step)]] = 1;
  }
  EXPECT_FALSE(f.coalitions.is_constant().any().item<bool>());
}

TEST(Coalitions, APathTurnsBack) {
  Fixture f(3);
  const std::vector<CoalitionPath> there_and_back = {{{4, 7, 7, 4}, 0}};
  const Tensor scores = f.coalitions.score_paths(there_and_back)[0];
  EXPECT_TRUE(at::equal(scores[1], scores[3]));
  EXPECT_TRUE(at::equal(scores[0], scores[4]));
  EXPECT_FALSE(at::equal(scores[1], scores[2]));
}

TEST(Coalitions, AStopGivesTheFirstScores) {
  Execution execution;
  execution.budget.forwards = 5;
  Fixture f(5, execution);
  EXPECT_EQ(f.coalitions.score(at::eye(25, at::kDouble), draw_order(25, 1, 0)).size(0), 5);
  EXPECT_TRUE(f.run.stopped());
}

TEST(Coalitions, AStopGivesTheFirstPaths) {
  Execution execution;
  execution.budget.forwards = 15;
  Fixture f(5, execution);
  const std::vector<CoalitionPath> paths = {{{1, 2, 3, 4, 5}, 0}, {{2, 3, 4, 5, 6}, 0}, {{3, 4, 5, 6, 7}, 0}};
  EXPECT_EQ(f.coalitions.score_paths(paths).size(), 2u);  // of 6, and of 5 that are new, forwards
  EXPECT_TRUE(f.run.stopped());
}

// Sizes as often as their distribution says, all members of a size alike, and weights of 1 in the mean that together
// with the probabilities give the kernel.
TEST(Coalitions, AreDrawnBySize) {
  constexpr int64_t regions = 6, draws = 20000;
  for (const CoalitionSizes sizes : {CoalitionSizes::kernel, CoalitionSizes::leverage}) {
    std::vector<double> count(regions), weighted(regions);
    Tensor members = at::zeros({regions}, at::kDouble);
    double total = 0;
    for (uint64_t i = 0; i < draws; ++i) {
      double weight = 0;
      const Tensor shown = draw_coalition(sizes, regions, 3, i, weight);
      const auto size = static_cast<size_t>(shown.sum().item<double>());
      ASSERT_TRUE(size >= 1 && size < regions);
      ++count[size];
      weighted[size] += weight;
      members += shown;
      total += weight;
    }
    double kernel_sum = 0;
    for (int64_t k = 1; k < regions; ++k) kernel_sum += 1. / static_cast<double>(k * (regions - k));
    for (size_t k = 1; k < regions; ++k) {
      const double kernel = 1. / static_cast<double>(k * (regions - k)) / kernel_sum;
      EXPECT_NEAR(count[k] / draws, sizes == CoalitionSizes::kernel ? kernel : 1. / (regions - 1), 0.015);
      EXPECT_NEAR(weighted[k] / draws, kernel, 0.015);
    }
    EXPECT_NEAR(total / draws, 1, 0.01);
    EXPECT_LT((members / draws - 0.5).abs().max().item<double>(), 0.02);
  }
}

}  // namespace
}  // namespace vitrail
