#include <vitrail/hsic.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>

#include <cmath>

#include "attribution/perturbation/dependence.h"
#include "attribution/perturbation/games_for_tests.h"
#include "attribution/perturbation/student.h"
#include "attribution/random.h"

namespace vitrail {
namespace {

/// float64 [rows,columns] of independent bits.
Tensor bits(uint64_t seed, int64_t rows, int64_t columns) {
  Tensor matrix = at::empty({rows, columns}, at::kDouble);
  Random random(seed, RandomStream::noise, 0);
  for (int64_t i = 0; i < matrix.numel(); ++i) matrix.data_ptr<double>()[i] = random.uniform() < 0.5 ? 1 : 0;
  return matrix;
}

Tensor normals(uint64_t seed, int64_t rows) {
  Tensor values = at::empty({rows}, at::kFloat);
  Random(seed, RandomStream::noise, 1).fill_normal({values.data_ptr<float>(), static_cast<size_t>(rows)});
  return values.to(at::kDouble);
}

/// Tr(K H L H) / N^2 with every matrix written out.
double trace_form(const Tensor& bit, const Tensor& y, double width) {
  const int64_t n = y.size(0);
  const Tensor k = bit.unsqueeze(0).eq(bit.unsqueeze(1)).to(at::kDouble);
  const Tensor l = ((y.unsqueeze(0) - y.unsqueeze(1)).square() / (-2 * width * width)).exp();
  const Tensor h = at::eye(n, at::kDouble) - at::ones({n, n}, at::kDouble) / n;
  return k.matmul(h).matmul(l).matmul(h).trace().item<double>() / static_cast<double>(n * n);
}

TEST(Dependence, FastFormIsTheTraceForm) {
  const Tensor m = bits(1, 45, 4), y = m.select(1, 0) + m.select(1, 1) * m.select(1, 2) * 2 + normals(2, 45) * 0.1;
  for (const int64_t unit : {1, 9, 45}) {
    const Tensor value = kernel_dependence(m, y, 0.7, unit).value;
    for (int64_t i = 0; i < 4; ++i)
      EXPECT_NEAR(value[i].item<double>(), trace_form(m.select(1, i), y, 0.7), 1e-12) << unit;
  }
}

TEST(Dependence, ErrorIsTheJackknifeOverUnits) {
  const Tensor m = bits(1, 40, 3), y = m.select(1, 0) * 2 + normals(2, 40);
  const Tensor error = kernel_dependence(m, y, 1.1, 8).standard_error;  // five units of eight rows
  for (int64_t i = 0; i < 3; ++i) {
    double mean = 0, squares = 0;
    for (int64_t unit = 0; unit < 5; ++unit) {
      const Tensor rest = at::arange(40, at::kLong).div(8, "floor").ne(unit).nonzero().squeeze(1);
      const double value = trace_form(m.select(1, i).index_select(0, rest), y.index_select(0, rest), 1.1);
      mean += value / 5;
      squares += value * value;
    }
    EXPECT_NEAR(error[i].item<double>(), std::sqrt((squares - 5 * mean * mean) * 4 / 5), 1e-12);
  }
}

// y is bit 0: L is 1 within and e = exp(-1/(2 w^2)) between its values, so HSIC = (1 - e) / 4; a bit that y does not
// depend on has a value of the order of 1 / N.
TEST(Dependence, ClosedFormOfOneBit) {
  const int64_t n = 400;
  Tensor m = bits(1, n, 2);
  m.select(1, 0).copy_(at::arange(n, at::kDouble).remainder(2));
  const double expected = (1 - std::exp(-0.5)) / 4;
  for (const Dependence& found :
       {kernel_dependence(m, m.select(1, 0), 1, 1), regression_dependence(m, m.select(1, 0), 1, 1)}) {
    EXPECT_NEAR(found.value[0].item<double>(), expected, 1e-4);
    EXPECT_LT(found.value[1].item<double>(), 2. / n);
  }
}

// What a bit does to the spread alone, and what two bits do only together, no mean would show.
TEST(Dependence, SeesMoreThanMeans) {
  const Tensor m = bits(1, 2000, 3), noise = normals(2, 2000);
  const Tensor spread = kernel_dependence(m, noise * (m.select(1, 0) * 2 + 0.2), 1, 1).value;
  EXPECT_GT(spread[0].item<double>(), 20 * spread[2].item<double>());
}

// Independent bits: both read-outs have one limit.
TEST(Dependence, RegressionHasTheSameLimit) {
  const Tensor m = bits(1, 4000, 4);
  const Tensor y = m.select(1, 0) * 1.5 + m.select(1, 1) - m.select(1, 2) * 0.5 + m.select(1, 0) * m.select(1, 1);
  const double width = kernel_width(KernelWidth::median_distance, y);
  const Tensor kernel = kernel_dependence(m, y, width, 1).value,
               regression = regression_dependence(m, y, width, 1).value;
  EXPECT_LT((kernel - regression).abs().max().item<double>() / kernel.max().item<double>(), 0.05);
}

TEST(Dependence, WidthsOfTheKernel) {
  const Tensor y = at::tensor({5., 5., 6., 9.}, at::kDouble);  // distances 0 1 4 1 4 3
  EXPECT_EQ(kernel_width(KernelWidth::median_distance, y), 1);
  EXPECT_EQ(kernel_width(KernelWidth::median_output, y), 5);
  EXPECT_EQ(kernel_width(KernelWidth::median_output, -y), 6);
  EXPECT_GT(kernel_width(KernelWidth::median_distance, y * 0 + 3), 0);
}

TEST(Hsic, IsTheDependenceOfItsSamples) {
  const auto result = hsic(mixed_game(), nine_ones(), {.grid = 3, .designs = 128, .replicates = 8})[0];
  EXPECT_FALSE(result.is_signed);
  EXPECT_EQ(result.unit, "HSIC");
  EXPECT_LE(result.forwards, 512);  // of nine bits there are no more masks
  const Tensor cells = result.cells.flatten();
  EXPECT_GT(cells.narrow(0, 0, 2).min().item<double>(), 5 * cells.narrow(0, 7, 2).max().item<double>());
  EXPECT_GE(cells.min().item<double>(), 0);
}

TEST(Hsic, IntervalsCoverTheLimit) {
  // Dependent bits only: near zero the distribution is not normal. All 512 coalitions once are the limit.
  const Tensor all = at::arange(512, at::kLong)
                         .unsqueeze(1)
                         .div(at::arange(9, at::kLong).mul(0).add(2).pow(at::arange(9, at::kLong)), "floor")
                         .remainder(2)
                         .to(at::kDouble);
  const Tensor y_all = mixed_game().score(all.view({512, 1, 3, 3})).squeeze(1);
  constexpr double width = 1.5;
  const Tensor truth = kernel_dependence(all, y_all, width, 1).value.narrow(0, 0, 2);
  const double t = student_quantile(0.05, 19);
  double covered = 0;
  constexpr int runs = 1000;
  for (int run = 0; run < runs; ++run) {
    const Tensor m = bits(static_cast<uint64_t>(run) + 50, 400, 9),
                 y = mixed_game().score(m.view({400, 1, 3, 3})).squeeze(1);
    const Dependence found = kernel_dependence(m, y, width, 1);
    const Tensor distance = (found.value.narrow(0, 0, 2) - truth).abs();
    covered += (distance <= found.standard_error.narrow(0, 0, 2) * t).to(at::kDouble).mean().item<double>() / runs;
  }
  EXPECT_GT(covered, 0.92);
  EXPECT_LT(covered, 0.98);
}

}  // namespace
}  // namespace vitrail
