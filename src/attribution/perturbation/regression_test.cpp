#include "attribution/perturbation/regression.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/diag.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>

#include <cmath>
#include <limits>

#include "attribution/perturbation/student.h"
#include "attribution/random.h"

namespace vitrail {
namespace {

/// float64 [rows,columns] of independent numbers, uniform on [-1/2,1/2).
Tensor numbers(uint64_t seed, int64_t rows, int64_t columns) {
  Tensor matrix = at::empty({rows, columns}, at::kDouble);
  Random random(seed, RandomStream::noise, 0);
  for (int64_t i = 0; i < matrix.numel(); ++i) matrix.data_ptr<double>()[i] = random.uniform() - 0.5;
  return matrix;
}

double distance(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

/// The coefficients of x in the weighted ridge regression of y on (u, x), by its normal equations.
Tensor solve(const Tensor& u, const Tensor& x, const Tensor& y, const Tensor& w, double ridge) {
  const Tensor z = at::cat({u, x}, 1), weighted = z * w.unsqueeze(1);
  const Tensor penalty = at::diag(at::cat({u.new_zeros({u.size(1)}), u.new_full({x.size(1)}, ridge)}));
  const Tensor b = at::linalg_solve(at::matmul(z.t(), weighted) + penalty, at::matmul(weighted.t(), y));
  return b.narrow(0, u.size(1), x.size(1));
}

/// Rows that do not belong to group `group` of 20.
Tensor rows_without(int64_t rows, int64_t group) {
  return at::arange(rows, at::kLong).remainder(RegressionSums::groups).ne(group).nonzero().squeeze(1);
}

TEST(Regression, SolvesTheNormalEquations) {
  const Tensor u = at::cat({numbers(1, 90, 1) * 0 + 1, numbers(2, 90, 1)}, 1), x = numbers(3, 90, 5);
  const Tensor y = at::matmul(x, numbers(4, 5, 2)) + u.narrow(1, 1, 1) * 3 + 2 + numbers(5, 90, 2);
  const Tensor w = numbers(6, 90, 1).squeeze(1) + 0.6;
  for (const double ridge : {0., 0.7}) {
    RegressionSums sums(2, 5, 2);
    sums.add(u.narrow(0, 0, 33), x.narrow(0, 0, 33), y.narrow(0, 0, 33), w.narrow(0, 0, 33));
    sums.add(u.narrow(0, 33, 57), x.narrow(0, 33, 57), y.narrow(0, 33, 57), w.narrow(0, 33, 57));
    const RegressionFit fit = sums.fit(ridge);
    EXPECT_LT(distance(fit.coefficients, solve(u, x, y, w, ridge)), 1e-10) << ridge;
    ASSERT_EQ(fit.without.size(0), 20);
    for (const int64_t group : {0, 7, 19}) {
      const Tensor rest = rows_without(90, group);
      const auto at_rest = [&](const Tensor& t) { return t.index_select(0, rest); };
      EXPECT_LT(distance(fit.without[group], solve(at_rest(u), at_rest(x), at_rest(y), at_rest(w), ridge)), 1e-10);
    }
    // a is what the normal equations of u leave to it: residuals are orthogonal to u.
    const Tensor residual = y - at::matmul(u, fit.nuisances) - at::matmul(x, fit.coefficients);
    EXPECT_LT(at::matmul((u * w.unsqueeze(1)).t(), residual).abs().max().item<double>(), 1e-9);
  }
}

TEST(Regression, KeepsDependentRowsInOneGroup) {
  const Tensor x = numbers(1, 80, 3), y = numbers(2, 80, 1), u = x.narrow(1, 0, 1) * 0 + 1;
  RegressionSums pairs(1, 3, 1, 2);
  pairs.add(u, x, y);
  const Tensor rest = at::arange(80, at::kLong).div(2, "floor").remainder(20).ne(4).nonzero().squeeze(1);
  const auto at_rest = [&](const Tensor& t) { return t.index_select(0, rest); };
  const Tensor w = at::empty({rest.numel()}, at::kDouble).fill_(1);
  EXPECT_LT(distance(pairs.fit(0.).without[4], solve(at_rest(u), at_rest(x), at_rest(y), w, 0)), 1e-10);
}

TEST(Regression, LeavesOutRowsThatAreNotFinite) {
  const Tensor x = numbers(1, 60, 3), u = x.narrow(1, 0, 1) * 0 + 1;
  Tensor y = numbers(2, 60, 2);
  y[59][1] = std::numeric_limits<double>::quiet_NaN();
  RegressionSums all(1, 3, 2), finite(1, 3, 2);
  all.add(u, x, y);
  finite.add(u.narrow(0, 0, 59), x.narrow(0, 0, 59), y.narrow(0, 0, 59));
  EXPECT_EQ(all.rows(), 59);
  EXPECT_EQ(all.left_out(), 1);
  EXPECT_LT(distance(all.fit(0.).coefficients, finite.fit(0.).coefficients), 1e-12);
}

// Without noise the chosen ridge leaves the coefficients alone; of pure noise it leaves next to nothing.
TEST(Regression, ChoosesTheRidgeByWhatGroupsLeftOutSay) {
  const Tensor x = numbers(1, 100, 8), u = x.narrow(1, 0, 1) * 0 + 1, b = numbers(2, 8, 1) * 4;
  RegressionSums clean(1, 8, 1), noise(1, 8, 1);
  clean.add(u, x, at::matmul(x, b) + 5);
  noise.add(u, x, numbers(3, 100, 1));
  EXPECT_LT(distance(clean.fit().coefficients, b), 1e-6);
  EXPECT_NEAR(clean.fit().explained.item<double>(), 1, 1e-6);
  const double shrunk = noise.fit().coefficients.norm().item<double>();
  EXPECT_LT(shrunk, 0.5 * noise.fit(0.).coefficients.norm().item<double>());
}

TEST(Regression, OfAConstantIsZero) {
  const Tensor x = numbers(1, 50, 3), u = x.narrow(1, 0, 1) * 0 + 1;
  RegressionSums sums(1, 3, 1);
  sums.add(u, x, u * 3.3 + numbers(2, 50, 1) * 1e-7);
  EXPECT_EQ(sums.fit(0.).coefficients.abs().max().item<double>(), 0);
  EXPECT_EQ(sums.fit().without.abs().max().item<double>(), 0);
}

TEST(Regression, RefusesMatricesThatWouldNotFit) { EXPECT_THROW(RegressionSums(1, 2000, 1), UsageError); }

// Noise that grows with x, and a product of two columns that the linear model does not know: 95 % intervals of the
// jackknife hold the coefficients 95 % of the time.
TEST(Regression, IntervalsCoverTheTruth) {
  const Tensor b = at::tensor({1., -2., 0.5, 0.}, at::kDouble).unsqueeze(1);
  const double t = student_quantile(0.05, RegressionSums::groups - 1);
  double covered = 0;
  constexpr int runs = 1000;
  for (int run = 0; run < runs; ++run) {
    const auto seed = static_cast<uint64_t>(3 * run);
    const Tensor x = numbers(seed, 160, 4), u = x.narrow(1, 0, 1) * 0 + 1;
    const Tensor noise =
        numbers(seed + 1, 160, 1) * (x.narrow(1, 0, 1).abs() + 0.1) + x.narrow(1, 1, 1) * x.narrow(1, 2, 1);
    RegressionSums sums(1, 4, 1);
    sums.add(u, x, at::matmul(x, b) + noise);
    const RegressionFit fit = sums.fit(0.);
    const Tensor half_width = jackknife_error(fit.without) * t;
    covered += ((fit.coefficients - b).abs() <= half_width).to(at::kDouble).mean().item<double>() / runs;
  }
  EXPECT_GT(covered, 0.92);
  EXPECT_LT(covered, 0.98);
}

/// Share of 95 % intervals that hold the coefficients, from 90 rows of 40 columns and much noise, with a chosen ridge;
/// and of those by the jackknife alone. `spread`: the coefficients' own size.
std::pair<double, double> coverage_with_ridge(double spread) {
  const double t = student_quantile(0.05, RegressionSums::groups - 1);
  double covered = 0, without_bias = 0;
  constexpr int runs = 100;
  for (int run = 0; run < runs; ++run) {
    const auto seed = static_cast<uint64_t>(3 * run);
    const Tensor x = numbers(seed, 90, 40), u = x.narrow(1, 0, 1) * 0 + 1, b = numbers(seed + 1, 40, 1) * spread;
    RegressionSums sums(1, 40, 1);
    sums.add(u, x, at::matmul(x, b) + numbers(seed + 2, 90, 1) * 4);
    const RegressionFit fit = sums.fit();
    const Tensor half_width = jackknife_error(fit.without) * t, off = (fit.coefficients - b).abs();
    const auto share = [&](const Tensor& width) { return (off <= width).to(at::kDouble).mean().item<double>() / runs; };
    covered += share(half_width * shrinkage_factor(fit, fit.axes));
    without_bias += share(half_width);
  }
  return {covered, without_bias};
}

TEST(Regression, IntervalsHoldTheBiasOfTheRidge) {
  const auto [covered, without_bias] = coverage_with_ridge(2);
  EXPECT_GT(covered, 0.92);
  EXPECT_LT(covered, 0.98);
  EXPECT_LT(without_bias, 0.88);
}

TEST(Regression, WithoutARidgeThereIsNoBias) {
  const Tensor x = numbers(1, 50, 3), u = x.narrow(1, 0, 1) * 0 + 1;
  RegressionSums sums(1, 3, 2);
  sums.add(u, x, numbers(2, 50, 2));
  const RegressionFit fit = sums.fit(0.), shrunk = sums.fit(1.);
  EXPECT_LT(distance(shrinkage_factor(fit, fit.axes), fit.coefficients * 0 + 1), 1e-12);
  // (x'x + 1)^-1 against (x'x + 1)^-1 x'x (x'x + 1)^-1, on their diagonals.
  const Tensor c = x - x.mean(0), a = at::matmul(c.t(), c), inverse = (a + at::eye(3, a.options())).inverse();
  const Tensor sampling = at::matmul(inverse, at::matmul(a, inverse));
  const Tensor expected = (inverse.diagonal() / sampling.diagonal()).sqrt().unsqueeze(1).expand({3, 2});
  EXPECT_LT(distance(shrinkage_factor(shrunk, shrunk.axes), expected), 1e-12);
}

}  // namespace
}  // namespace vitrail
