#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>
#include <vitrail/method.h>
#include <vitrail/sobol.h>

#include <cmath>
#include <set>

#include "attribution/perturbation/scorers_for_tests.h"

namespace vitrail {
namespace {

constexpr int64_t height = 12, width = 15;

const Tensor& photo() {
  static const Tensor photo = wave(3, height, width, 0.37);
  return photo;
}

Explanation explain(const SobolOptions& options, const Execution& execution = {}) {
  return sobol(curved_scorer(3, height, width), photo().unsqueeze(0), options, execution).at(0);
}

Execution budget_of(int64_t forwards) {
  Execution execution;
  execution.budget.forwards = forwards;
  return execution;
}

// g = sum_i c_i M_i with c_i the contribution of cell i: ST_i = S_i = c_i^2 / sum c_j^2.
TEST(Sobol, SharesOfALinearScore) {
  const Tensor weights = wave(3, height, width, 0.7);
  const Tensor contribution = (weights * photo()).sum(0).view({3, 4, 3, 5}).sum({1, 3}).to(at::kDouble);
  const Tensor expected = contribution.square() / contribution.square().sum();
  for (const Sampler sampler : {Sampler::lhs, Sampler::owen, Sampler::monte_carlo}) {
    const auto result = sobol(linear_scorer(weights, 7), photo().unsqueeze(0),
                              {.grid = 3, .designs = 512, .sampler = sampler}, {.batch = 64})[0];
    EXPECT_LT((result.cells - expected).abs().max().item<double>(), 0.02);
    EXPECT_NEAR(result.cells.sum().item<double>(), 1, 0.04);
    EXPECT_FALSE(result.is_signed);
    EXPECT_EQ(result.unit, "share of variance");
  }
}

// g = M_1 M_2: Var = (1/3)^2 - (1/4)^2 = 7/144, ST = E[M^2] Var(M) / Var = (1/36) / (7/144) = 4/7 each; S = 3/7.
TEST(Sobol, CountsInteractions) {
  const CallableScorer product([](const Tensor& x) {
    return (x.narrow(2, 0, 2).narrow(3, 0, 2).mean({1, 2, 3}) * x.narrow(2, 2, 2).narrow(3, 2, 2).mean({1, 2, 3}))
        .unsqueeze(1);
  });
  const auto result = sobol(product, at::ones({1, 1, 4, 4}), {.grid = 2, .designs = 1024}, {.batch = 64})[0];
  const Tensor expected = at::tensor({4 / 7.0, 0.0, 0.0, 4 / 7.0}, at::kFloat).view({2, 2});
  EXPECT_TRUE(at::allclose(result.cells, expected, 0, 0.06));  // three standard errors; S would be 0.14 away
}

TEST(Sobol, MapIsTheCubicEnlargementOfItsCells) {
  const Explanation result = explain({.grid = 3, .designs = 4});
  const Tensor enlarged = at::upsample_bicubic2d(result.cells.view({1, 1, 3, 3}), {height, width}, false)[0][0];
  EXPECT_TRUE(at::allclose(result.map, enlarged.clamp_min(0), 1e-5, 1e-6));
}

TEST(Sobol, ErrorFallsWithTheRootOfTheDesigns) {
  const auto error = [](int64_t designs) {
    return explain({.grid = 2, .designs = designs, .replicates = 16, .sampler = Sampler::monte_carlo}, {.batch = 64})
        .standard_error.mean()
        .item<double>();
  };
  EXPECT_NEAR(error(32) / error(512), 4, 1.2);
}

// On an image of one pixel a cell, where nothing is enlarged.
TEST(Sobol, TheErrorIsTheSpreadOverSeeds) {
  const Tensor pixels = wave(3, 3, 3, 0.37).unsqueeze(0);
  Tensors maps;
  double variance = 0;
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    const Explanation result = sobol(curved_scorer(3, 3, 3), pixels, {.grid = 3, .designs = 16, .seed = seed}).at(0);
    maps.push_back(result.map);
    variance += result.standard_error.square().mean().item<double>() / 80;
  }
  EXPECT_NEAR(at::stack(maps).var(0).mean().item<double>() / variance, 1, 0.25);
}

TEST(Sobol, OneReplicateHasAnErrorToo) {
  EXPECT_GT(explain({.grid = 3, .designs = 16, .replicates = 1}).standard_error.max().item<double>(), 0);
}

TEST(Sobol, AllForwardsHaveOneSize) {
  for (const int64_t batch : {1, 3, 7, 8, 9, 64, 500}) {
    std::set<int64_t> sizes;
    const CallableScorer scorer([&](const Tensor& x) {
      sizes.insert(x.size(0));
      return x.flatten(1).sum(1, true);
    });
    const auto result = sobol(scorer, photo().unsqueeze(0), {.grid = 3, .designs = 6}, {.batch = batch})[0];
    sizes.erase(1);  // the photo itself
    EXPECT_LE(sizes.size(), 1u);
    EXPECT_LE(std::stoll(result.plan.at("batch")), batch);
    EXPECT_EQ(std::to_string(sizes.empty() ? 1 : *sizes.begin()), result.plan.at("batch"));
  }
}

TEST(Sobol, AStopLeavesTheFinishedReplicates) {
  const Explanation stopped = explain({.grid = 3, .designs = 4}, budget_of(100));  // 40 forwards a replicate
  const Explanation complete = explain({.grid = 3, .designs = 4, .replicates = 2});
  EXPECT_TRUE(stopped.partial);
  EXPECT_EQ(stopped.plan.at("replicates"), "2");
  EXPECT_TRUE(at::equal(stopped.map, complete.map));
  EXPECT_TRUE(at::equal(stopped.standard_error, complete.standard_error));
}

TEST(Sobol, AStopWithinTheFirstReplicateUsesItsFinishedPoints) {
  const Explanation result = explain({.grid = 3, .designs = 64}, budget_of(330));
  EXPECT_TRUE(result.partial);
  EXPECT_NE(result.warnings.at(0).find("33 of its 64 points"), std::string::npos) << result.warnings.at(0);
  const Explanation converged = explain({.grid = 3, .designs = 512}, {.batch = 64});
  EXPECT_LT((result.cells - converged.cells).abs().max().item<double>(), 0.4);
  EXPECT_GT(result.standard_error.max().item<double>(), 0);
}

TEST(Sobol, AStopBeforeTwoPointsKnowsNothing) {
  const Explanation result = explain({.grid = 3, .designs = 8}, budget_of(19));
  EXPECT_TRUE(result.partial);
  EXPECT_EQ(result.map.abs().max().item<double>(), 0);
  EXPECT_NE(result.warnings.at(0).find("20 forwards"), std::string::npos) << result.warnings.at(0);
}

TEST(Sobol, EveryOptionMatters) {
  const Tensor reference = explain({.grid = 3, .designs = 4}).map;
  for (const SobolOptions& options : {SobolOptions{.grid = 4, .designs = 4}, SobolOptions{.grid = 3, .designs = 8},
                                      SobolOptions{.grid = 3, .designs = 4, .replicates = 3},
                                      SobolOptions{.grid = 3, .designs = 4, .sampler = Sampler::owen},
                                      SobolOptions{.grid = 3, .designs = 4, .sampler = Sampler::monte_carlo},
                                      SobolOptions{.grid = 3, .designs = 4, .seed = 2},
                                      SobolOptions{.grid = 3, .designs = 4, .baseline = Baseline("mean")}})
    EXPECT_FALSE(at::equal(reference, explain(options).map));
}

TEST(Sobol, CostsOneForwardACellAndOneMoreAPoint) {
  EXPECT_EQ(parse_method("sobol")->cost(224, 224, 5).forwards, 2080);
  EXPECT_EQ(parse_method("sobol:grid=7,designs=16,replicates=2")->cost(224, 224, 1).forwards, 16 * 2 * 50);
}

TEST(Sobol, RefusesWhatItsSamplerCannotDo) {
  EXPECT_THROW(explain({.designs = 6, .sampler = Sampler::owen}), UsageError);
  EXPECT_THROW(explain({.grid = 13}), UsageError);  // the photo is 12 pixels high
  EXPECT_THROW(parse_method("sobol:designs=1"), UsageError);
  EXPECT_THROW(explain({.designs = 8, .sampler = Sampler::sobol}), UsageError);  // replicates=4 of one sequence
  EXPECT_NO_THROW(explain({.designs = 8, .replicates = 1, .sampler = Sampler::sobol}));
}

}  // namespace
}  // namespace vitrail
