#include "attribution/perturbation/estimators.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "attribution/perturbation/designs.h"

namespace vitrail {
namespace {

using Function = std::function<Tensor(const Tensor&)>;  // [N,d] in the unit cube -> [N]

/// One replicate of the pick-freeze design for a function of the unit cube.
PickFreezeScores replicate_of(const Function& function, int64_t dimensions, int64_t points, Sampler sampler,
                              uint64_t seed, uint64_t replicate) {
  const Tensor design = draw_design(sampler, points, 2 * dimensions, seed, replicate);
  const Tensor a = design.narrow(1, 0, dimensions), b = design.narrow(1, dimensions, dimensions);
  Tensors y_c;
  for (int64_t i = 0; i < dimensions; ++i) {
    Tensor c = a.clone();
    c.select(1, i).copy_(b.select(1, i));
    y_c.push_back(function(c));
  }
  return {function(a).unsqueeze(1), at::stack(y_c, 1).unsqueeze(2)};
}

CellEstimate estimate(const Function& function, int64_t dimensions, int64_t points, Sampler sampler, uint64_t seed,
                      uint64_t replicates = 1) {
  std::vector<PickFreezeScores> scores;
  for (uint64_t r = 0; r < replicates; ++r)
    scores.push_back(replicate_of(function, dimensions, points, sampler, seed, r));
  return estimate_indices(IndexEstimator::jansen, scores);
}

/// sin x1 + 7 sin^2 x2 + x3^4 sin(x1) / 10 on [-pi,pi]^3.
Tensor ishigami(const Tensor& unit) {
  const Tensor x = (unit * 2 - 1) * std::numbers::pi;
  const Tensor x1 = x.select(1, 0), x2 = x.select(1, 1), x3 = x.select(1, 2);
  return x1.sin() + x2.sin().square() * 7 + x3.pow(4) * x1.sin() * 0.1;
}

// Partial variances: V1 = (1 + b pi^4/5)^2 / 2, V2 = a^2/8, V13 = b^2 pi^8 (1/18 - 1/50).
Tensor ishigami_total_order() {
  const double a = 7, b = 0.1, pi4 = std::pow(std::numbers::pi, 4);
  const double v1 = std::pow(1 + b * pi4 / 5, 2) / 2, v2 = a * a / 8, v13 = b * b * pi4 * pi4 * (1 / 18.0 - 1 / 50.0);
  return at::tensor({v1 + v13, v2, v13}, at::kDouble) / (v1 + v2 + v13);
}

const std::vector<double> g_coefficients = {0, 1, 4.5, 9, 99};

/// Sobol's g-function: prod (|4 x_i - 2| + a_i) / (1 + a_i).
Tensor g_function(const Tensor& unit) {
  const Tensor a = at::tensor(g_coefficients, at::kDouble);
  return (((unit * 4 - 2).abs() + a) / (a + 1)).prod(1);
}

// V_i = 1 / (3 (1 + a_i)^2); ST_i = V_i prod_{j != i} (1 + V_j) / (prod_j (1 + V_j) - 1).
Tensor g_function_total_order() {
  const Tensor v = (at::tensor(g_coefficients, at::kDouble) + 1).square().mul(3).reciprocal();
  const Tensor product = (v + 1).prod();
  return v / (v + 1) * product / (product - 1);
}

TEST(Jansen, ClosedFormOfIshigami) {
  EXPECT_NEAR(ishigami_total_order()[0].item<double>(), 0.5576, 1e-4);
  for (const Sampler sampler : {Sampler::lhs, Sampler::owen, Sampler::monte_carlo}) {
    const CellEstimate total = estimate(ishigami, 3, 1 << 14, sampler, 1);
    EXPECT_LT((total.value.squeeze(1) - ishigami_total_order()).abs().max().item<double>(), 0.02);
  }
}

TEST(Jansen, ClosedFormOfTheGFunction) {
  const CellEstimate total = estimate(g_function, 5, 1 << 14, Sampler::owen, 2);
  EXPECT_LT((total.value.squeeze(1) - g_function_total_order()).abs().max().item<double>(), 0.01);
}

// y = (x1 >= 1/2) xor (x2 >= 1/2): no effect of one coordinate alone, everything is interaction, ST = 1 and 1.
TEST(Jansen, SeesPureInteractions) {
  const auto exclusive_or = [](const Tensor& x) {
    return (x.select(1, 0) >= 0.5).logical_xor(x.select(1, 1) >= 0.5).to(at::kDouble);
  };
  const CellEstimate total = estimate(exclusive_or, 3, 1 << 12, Sampler::lhs, 3);
  EXPECT_NEAR(total.value[0][0].item<double>(), 1, 0.05);
  EXPECT_NEAR(total.value[1][0].item<double>(), 1, 0.05);
  EXPECT_EQ(total.value[2][0].item<double>(), 0);
}

TEST(Estimators, AllTotalOrdersAgreeOnIshigami) {
  const PickFreezeScores scores = replicate_of(ishigami, 3, 1 << 14, Sampler::owen, 1, 0);
  for (const auto estimator :
       {IndexEstimator::jansen, IndexEstimator::janon, IndexEstimator::glen_isaacs, IndexEstimator::homma}) {
    const CellEstimate total = estimate_indices(estimator, {scores});
    EXPECT_LT((total.value.squeeze(1) - ishigami_total_order()).abs().max().item<double>(), 0.02);
    EXPECT_GT(total.standard_error.min().item<double>(), 0);
    EXPECT_LT(total.standard_error.max().item<double>(), 0.05);
  }
}

TEST(Estimators, FirstOrderOfIshigami) {
  PickFreezeScores scores = replicate_of(ishigami, 3, 1 << 14, Sampler::owen, 1, 0);
  const Tensor design = draw_design(Sampler::owen, 1 << 14, 6, 1, 0);
  scores.y_b = ishigami(design.narrow(1, 3, 3)).unsqueeze(1);
  const CellEstimate first = estimate_indices(IndexEstimator::first_order, {scores});
  const Tensor expected = at::tensor({0.3139, 0.4424, 0.}, at::kDouble);
  EXPECT_LT((first.value.squeeze(1) - expected).abs().max().item<double>(), 0.02);
}

// Y = x1 + 2 x2: a step of one half, wrapped, moves x_i by exactly 1/2 either way.
TEST(Estimators, HalfShiftsHaveOneLength) {
  const Tensor a = draw_design(Sampler::lhs, 16, 2, 1, 0);
  const auto score = [](const Tensor& x) { return x.select(1, 0) + x.select(1, 1) * 2; };
  Tensors y_c;
  for (int64_t i = 0; i < 2; ++i) {
    const Tensor c = a.clone();
    c.select(1, i).add_(0.5).remainder_(1);
    y_c.push_back(score(c));
  }
  const CellEstimate change = root_mean_square_change({{score(a).unsqueeze(1), at::stack(y_c, 1).unsqueeze(2)}});
  EXPECT_NEAR(change.value[0].item<double>(), 0.5, 1e-12);
  EXPECT_NEAR(change.value[1].item<double>(), 1, 1e-12);
  EXPECT_LT(change.standard_error.max().item<double>(), 1e-7);
}

TEST(Jansen, TargetsDoNotMix) {
  const CellEstimate both =
      estimate_indices(IndexEstimator::jansen, {{at::tensor({1., 5., 2., 7., 3., 6.}, at::kDouble).view({3, 2}),
                                                 at::tensor({2., 5., 0., 1., 2., 8.}, at::kDouble).view({3, 1, 2})}});
  const CellEstimate second = estimate_indices(
      IndexEstimator::jansen,
      {{at::tensor({5., 7., 6.}, at::kDouble).view({3, 1}), at::tensor({5., 1., 8.}, at::kDouble).view({3, 1, 1})}});
  // Differences 0, 6, -2: mean of halved squares 20/3; variance of 5, 7, 6 is 1.
  EXPECT_NEAR(second.value.item<double>(), 20.0 / 3, 1e-12);
  EXPECT_EQ(both.value[0][1].item<double>(), second.value.item<double>());
  EXPECT_EQ(both.standard_error[0][1].item<double>(), second.standard_error.item<double>());
}

TEST(Jansen, AConstantOutputHasZeroIndices) {
  const Tensor noise = at::arange(8, at::kDouble).remainder(3) * 1e-7;  // float32 rounding of a logit near 5
  const Tensor y_a = at::stack({noise + 5, noise * 1e7}, 1);
  const CellEstimate total = estimate_indices(IndexEstimator::jansen, {{y_a, y_a.unsqueeze(1).flip(0)}});
  EXPECT_TRUE(total.is_constant[0].item<bool>());
  EXPECT_FALSE(total.is_constant[1].item<bool>());
  EXPECT_EQ(total.value[0][0].item<double>(), 0);
  EXPECT_EQ(total.standard_error[0][0].item<double>(), 0);
  EXPECT_GT(total.value[0][1].item<double>(), 0);
  const Tensor same = at::stack({noise * 0 + 5}, 1);
  EXPECT_TRUE(estimate_indices(IndexEstimator::jansen, {{same, same.unsqueeze(1)}}).is_constant.item<bool>());
}

/// Share of 95 % intervals that hold the truth, over all coordinates of Ishigami and `runs` seeds.
double coverage(int runs, double quantile, const std::function<CellEstimate(uint64_t)>& estimate_with_seed) {
  double covered = 0;
  for (int run = 0; run < runs; ++run) {
    const CellEstimate total = estimate_with_seed(static_cast<uint64_t>(run));
    const Tensor distance = (total.value.squeeze(1) - ishigami_total_order()).abs();
    covered += (distance <= total.standard_error.squeeze(1) * quantile).to(at::kDouble).mean().item<double>();
  }
  return covered / runs;
}

TEST(Replicates, IntervalsCoverTheTruth) {
  constexpr double student_t3 = 3.1824;
  for (const Sampler sampler : {Sampler::lhs, Sampler::owen, Sampler::monte_carlo}) {
    const double share =
        coverage(400, student_t3, [sampler](uint64_t seed) { return estimate(ishigami, 3, 256, sampler, seed, 4); });
    EXPECT_GT(share, 0.92);
    EXPECT_LT(share, 0.98);
  }
}

TEST(Replicates, TheErrorWithinOneReplicateCoversTheTruth) {
  const double share =
      coverage(400, 1.96, [](uint64_t seed) { return estimate(ishigami, 3, 512, Sampler::monte_carlo, seed); });
  EXPECT_GT(share, 0.92);
  EXPECT_LT(share, 0.98);
}

// Products of exponentials have a heavy tail, as scores of networks do. Small designs must not inflate the indices: the
// mean of four ratios of eight points is far off here, the ratio of means is not.
TEST(Replicates, SmallDesignsAreHardlyBiased) {
  const auto heavy = [](const Tensor& x) { return (x.sum(1) * 3).exp(); };
  const double converged = estimate(heavy, 4, 1 << 15, Sampler::owen, 1).value.sum().item<double>();
  double pooled = 0, mean_of_ratios = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    pooled += estimate(heavy, 4, 8, Sampler::lhs, seed, 4).value.sum().item<double>() / 200;
    for (uint64_t r = 0; r < 4; ++r)
      mean_of_ratios += estimate_indices(IndexEstimator::jansen, {replicate_of(heavy, 4, 8, Sampler::lhs, seed, r)})
                            .value.sum()
                            .item<double>() /
                        800;
  }
  EXPECT_LT(std::abs(pooled / converged - 1), std::abs(mean_of_ratios / converged - 1) / 2);
}

// Scores of two replicates of two points: J_r = 1/2, 0 and V_r = (1 + 1) / 2 x 4/3 = 4/3 (values 0, 2 around 1).
TEST(Replicates, RatioOfMeansAndItsError) {
  const auto scores = [](double c1, double c2) {
    return PickFreezeScores{at::tensor({0., 2.}, at::kDouble).view({2, 1}),
                            at::tensor({c1, c2}, at::kDouble).view({2, 1, 1})};
  };
  const CellEstimate total = estimate_indices(IndexEstimator::jansen, {scores(1, 3), scores(0, 2)});
  EXPECT_DOUBLE_EQ(total.value.item<double>(), 0.25 / (4 / 3.0));
  // Residuals +1/4 and -1/4: s = sqrt(1/8), over sqrt(2) and V.
  EXPECT_DOUBLE_EQ(total.standard_error.item<double>(), std::sqrt(1 / 8.0 / 2) / (4 / 3.0));
}

}  // namespace
}  // namespace vitrail
