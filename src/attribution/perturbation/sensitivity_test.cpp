// morris, dgsm and dgsm_morris: closed forms; and that every option of the methods on cells changes something.

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>
#include <vitrail/dgsm.h>
#include <vitrail/error.h>
#include <vitrail/method.h>
#include <vitrail/morris.h>

#include <cmath>
#include <string>
#include <vector>

#include "attribution/perturbation/scorers_for_tests.h"

namespace vitrail {
namespace {

constexpr int64_t height = 12, width = 15;

Tensor photo() { return wave(3, height, width, 0.37).unsqueeze(0); }

Tensor weights() { return wave(3, height, width, 0.7); }

/// What each cell of a 3 x 3 grid adds to w . x, [3,3].
Tensor contributions() { return (weights() * photo()[0]).sum(0).view({3, 4, 3, 5}).sum({1, 3}); }

/// Largest difference in units of the largest value of `expected`.
double distance(const Tensor& values, const Tensor& expected) {
  return ((values - expected).abs().max() / expected.abs().max()).item<double>();
}

// g = sum_i c_i M_i: a step of one half moves it by c_i / 2, its derivatives are c_i, from every point.
TEST(Morris, IsHalfOfEachContributionOfALinearScore) {
  const auto result = morris(linear_scorer(weights(), 7), photo(), {.grid = 3})[0];
  EXPECT_LT(distance(result.cells, contributions().abs() / 2), 1e-5);
  EXPECT_LT(result.standard_error.max().item<double>(), 1e-5);
}

TEST(Dgsm, IsTheContributionsOfALinearScore) {
  const auto absolute = dgsm(linear_scorer(weights(), 7), photo(), {.grid = 3, .samples = 2})[0];
  EXPECT_LT(distance(absolute.cells, contributions().abs()), 1e-5);
  EXPECT_LT(distance(absolute.extras.at("signed_mean"), contributions()), 1e-5);
  EXPECT_FALSE(absolute.is_signed);
  const auto with_sign = dgsm(linear_scorer(weights(), 7), photo(), {.grid = 3, .samples = 2, .signed_mean = true})[0];
  EXPECT_LT(distance(with_sign.cells, contributions()), 1e-5);
  EXPECT_LT(distance(with_sign.extras.at("absolute_mean"), contributions().abs()), 1e-5);
  EXPECT_TRUE(with_sign.is_signed);
}

TEST(DgsmMorris, IsTheRelativeContributionsOfALinearScore) {
  const auto result = dgsm_morris(linear_scorer(weights(), 7), photo(), {.grid = 3, .samples = 2})[0];
  EXPECT_LT(distance(result.cells, contributions().abs() / contributions().abs().mean()), 1e-5);
}

// g = prod_i (1 + M_i) - 1 on three columns of one pixel: E|d_i g| = 1.5^2.
TEST(Dgsm, AveragesOverContexts) {
  const CallableScorer product([](const Tensor& x) { return (x + 1).flatten(1).prod(1, true); });
  const Tensor ones = (photo() * 0 + 1).narrow(1, 0, 1).narrow(2, 0, 3).narrow(3, 0, 3);  // 9 factors
  const auto result =
      dgsm(product, ones, {.grid = 3, .samples = 4096, .replicates = 4, .baseline = Baseline("zero")})[0];
  EXPECT_LT(distance(result.cells, (result.cells * 0 + 1) * std::pow(1.5, 8)), 0.01);
}

// Half-shifts of sin(2 pi M): y_A = -y_C, so the change is 2 |sin| and its mean square 2.
TEST(Morris, MeasuresChangesOfAWave) {
  const CallableScorer sine([](const Tensor& x) { return (x * (2 * M_PI)).sin().flatten(1).sum(1, true); });
  const Tensor pixel = (photo() * 0 + 1).narrow(1, 0, 1).narrow(2, 0, 1).narrow(3, 0, 1);
  const auto result = morris(sine, pixel, {.grid = 1, .designs = 512})[0];
  EXPECT_NEAR(result.cells.item<double>(), std::sqrt(2.), 1e-3);
}

TEST(Smoothing, BlendsNeighbours) {
  const auto plain = morris(curved_scorer(3, height, width), photo(), {.grid = 3})[0];
  const auto smoothed = morris(curved_scorer(3, height, width), photo(), {.grid = 3, .smoothing = 0.25})[0];
  const auto cell = [&](int64_t y, int64_t x) { return plain.cells[y][x].item<double>(); };
  EXPECT_NEAR(smoothed.cells[1][1].item<double>(),
              .75 * cell(1, 1) + .25 * (cell(0, 1) + cell(1, 0) + cell(1, 2) + cell(2, 1)) / 4, 1e-5);
  EXPECT_NEAR(smoothed.cells[0][2].item<double>(), .75 * cell(0, 2) + .25 * (cell(0, 1) + cell(1, 2)) / 2, 1e-5);
  EXPECT_THROW(
      parse_method("morris:regions=slic,grid=3,smoothing=0.25")->explain(curved_scorer(3, height, width), photo(), {}),
      UsageError);
}

/// A method and options that each change its map.
struct Effects {
  std::string method;
  std::vector<std::string> options;
};

class SensitivityOptions : public testing::TestWithParam<Effects> {};
INSTANTIATE_TEST_SUITE_P(
    Methods, SensitivityOptions,
    testing::Values(
        Effects{"sobol:grid=3,replicates=2",
                {"designs=16", "sampler=owen", "sampler=halton", "sampler=monte_carlo", "operation=amplitude",
                 "operation=amplitude_legacy", "estimator=janon", "estimator=glen_isaacs", "estimator=homma",
                 "estimator=first_order", "regions=slic", "baseline=white", "seed=2"}},
        Effects{"sobol:grid=3,sampler=sobol,replicates=1", {"designs=16"}},
        Effects{"lime:grid=3",
                {"samples=60", "keep=0.4", "width=0.2", "ridge=2", "antithetic=true", "regions=slic", "baseline=white",
                 "seed=2"}},
        Effects{"kernel_shap:grid=4",
                {"coalitions=60", "sizes=kernel", "paired=false", "ridge=false", "regions=slic", "baseline=white",
                 "seed=2"}},
        Effects{"shapley:grid=3", {"permutations=6", "antithetic=false", "regions=slic", "baseline=white", "seed=2"}},
        Effects{"exact_shapley", {"grid=2", "regions=slic", "baseline=white"}},
        Effects{"owen:grid=3", {"evaluations=10", "regions=slic", "baseline=white"}},
        Effects{"feature_ablation", {"grid=3", "regions=slic", "baseline=white"}},
        Effects{"hsic:grid=3,replicates=2",
                {"designs=32", "sampler=owen", "sampler=halton", "sampler=monte_carlo", "width=median_output",
                 "readout=regression", "regions=slic", "baseline=white", "seed=2"}},
        Effects{"morris:grid=3,replicates=2",
                {"designs=16", "sampler=owen", "smoothing=0.2", "operation=amplitude", "operation=amplitude_legacy",
                 "regions=slic", "baseline=white", "seed=2"}},
        Effects{"dgsm:grid=3,replicates=2",
                {"samples=8", "sampler=lhs", "signed_mean=true", "smoothing=0.2", "operation=amplitude",
                 "operation=amplitude_legacy", "regions=slic", "baseline=white", "seed=2"}},
        Effects{"dgsm_morris:grid=3,replicates=2",
                {"designs=4", "samples=8", "smoothing=0.2", "operation=amplitude", "operation=amplitude_legacy",
                 "regions=slic", "baseline=white", "seed=2"}}));

TEST_P(SensitivityOptions, ChangeTheMap) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const auto map = [&](const std::string& text) { return parse_method(text)->explain(scorer, photo(), {})[0].map; };
  const Tensor plain = map(GetParam().method);
  for (const std::string& option : GetParam().options)
    EXPECT_FALSE(at::equal(plain, map(GetParam().method + "," + option))) << option;
}

class EarlyStop : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Methods, EarlyStop,
                         testing::Values("sobol:grid=2,designs=512", "morris:grid=2,designs=64",
                                         "dgsm:grid=2,samples=64"));

TEST_P(EarlyStop, SavesReplicatesAndSaysSo) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const std::string method = GetParam() + std::string(",replicates=60");
  const auto whole = parse_method(method)->explain(scorer, photo(), {})[0];
  EXPECT_EQ(whole.plan.count("settled"), 0u);
  for (const char* rule : {"tolerance=0.2", "top=1"}) {
    const auto early = parse_method(method + "," + rule)->explain(scorer, photo(), {})[0];
    EXPECT_LT(early.forwards, whole.forwards) << rule;
    EXPECT_FALSE(early.partial);
    EXPECT_NE(early.plan.at("settled").find(" settled at look "), std::string::npos) << rule;
    EXPECT_EQ(early.cells.flatten().argmax().item<int64_t>(), whole.cells.flatten().argmax().item<int64_t>()) << rule;
  }
}

class CoalitionsStopEarly : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Methods, CoalitionsStopEarly,
                         testing::Values("lime:grid=5,samples=6000", "kernel_shap:grid=5,coalitions=6000",
                                         "shapley:grid=5,permutations=300"));

TEST_P(CoalitionsStopEarly, AtTheSameLookWhateverTheBatch) {
  const CallableScorer scorer = curved_scorer(3, height, width);
  const auto method = [&](const std::string& rule) { return parse_method(GetParam() + rule); };
  Execution one, many;
  one.batch = 1;
  many.batch = 100;
  const auto early = method(",tolerance=0.5")->explain(scorer, photo(), one)[0];
  EXPECT_LT(early.forwards, method("")->cost(height, width, 2).forwards);
  EXPECT_FALSE(early.partial);
  EXPECT_NE(early.plan.at("settled").find(" settled at look "), std::string::npos);
  EXPECT_EQ(method(",tolerance=0.5")->explain(scorer, photo(), many)[0].forwards, early.forwards);
  EXPECT_GT(method(",tolerance=0.5,top=12")->explain(scorer, photo(), many)[0].forwards, early.forwards);
}

}  // namespace
}  // namespace vitrail
