#include "attribution/perturbation/rise_sums.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <cmath>

#include "attribution/random.h"

namespace vitrail {
namespace {

/// float64 [rows,columns] of independent numbers.
Tensor uniform_matrix(uint64_t seed, int64_t rows, int64_t columns) {
  Tensor matrix = at::empty({rows, columns}, at::kDouble);
  Random random(seed, RandomStream::noise, 0);
  for (int64_t i = 0; i < matrix.numel(); ++i) matrix.data_ptr<double>()[i] = random.uniform();
  return matrix;
}

TEST(RiseSums, AreTheDefinition) {
  const Tensor masks = uniform_matrix(1, 9, 6).view({9, 1, 2, 3}), scores = uniform_matrix(2, 9, 2);
  RiseSums sums(2, 2, 3);
  sums.add(masks.narrow(0, 0, 4), scores.narrow(0, 0, 4));
  sums.add(masks.narrow(0, 4, 5), scores.narrow(0, 4, 5));
  for (int64_t t = 0; t < 2; ++t) {
    const Tensor g = scores.select(1, t).view({9, 1, 1}), m = masks.squeeze(1);
    const Tensor value = (g * m).sum(0) / m.sum(0);
    EXPECT_TRUE(at::allclose(sums.value()[t], value, 1e-12));
    EXPECT_TRUE(at::allclose(sums.standard_error()[t], (m * (g - value)).square().sum(0).sqrt() / m.sum(0), 1e-9));
    EXPECT_NEAR(sums.mean_scores()[t].item<double>(), g.mean().item<double>(), 1e-12);
    EXPECT_NEAR(sums.score_deviations()[t].item<double>(), g.std().item<double>(), 1e-12);
  }
}

TEST(RiseSums, InPairsTheErrorIsThatOfPairs) {
  const Tensor masks = uniform_matrix(1, 8, 6).view({8, 1, 2, 3}), scores = uniform_matrix(2, 8, 1);
  RiseSums sums(1, 2, 3, /*in_pairs=*/true);
  sums.add(masks.narrow(0, 0, 2), scores.narrow(0, 0, 2));
  sums.add(masks.narrow(0, 2, 6), scores.narrow(0, 2, 6));
  const Tensor g = scores.view({8, 1, 1}), m = masks.squeeze(1), value = (g * m).sum(0) / m.sum(0);
  const Tensor residual = (m * (g - value)).view({4, 2, 2, 3}).sum(1);
  EXPECT_TRUE(at::allclose(sums.value()[0], value, 1e-12));
  EXPECT_TRUE(at::allclose(sums.standard_error()[0], residual.square().sum(0).sqrt() / m.sum(0), 1e-9));
}

TEST(RiseSums, APixelThatNoMaskShowsReadsTheMeanScore) {
  Tensor masks = uniform_matrix(1, 5, 4).view({5, 1, 2, 2});
  masks.select(3, 1).zero_();
  const Tensor scores = uniform_matrix(2, 5, 1);
  RiseSums sums(1, 2, 2);
  sums.add(masks, scores);
  EXPECT_DOUBLE_EQ(sums.value()[0][0][1].item<double>(), scores.mean().item<double>());
  EXPECT_NEAR(sums.standard_error()[0][1][1].item<double>(), scores.std().item<double>(), 1e-12);
}

TEST(RiseSums, LeaveOutScoresThatAreNotFinite) {
  const Tensor masks = uniform_matrix(1, 6, 4).view({6, 1, 2, 2});
  Tensor scores = uniform_matrix(2, 6, 1);
  RiseSums expected(1, 2, 2), sums(1, 2, 2);
  expected.add(masks.narrow(0, 0, 5), scores.narrow(0, 0, 5));
  scores[5][0] = std::nan("");
  sums.add(masks, scores);
  EXPECT_EQ(sums.left_out(), 1);
  EXPECT_EQ(sums.masks(), 5);
  EXPECT_TRUE(at::allclose(sums.value(), expected.value(), 1e-12));
}

// One bit a pixel and a linear score: the limit is E g + (1 - keep) w_i x_i. 95 % intervals must hold it 95 % of the
// time.
TEST(RiseSums, IntervalsCoverTheLimit) {
  constexpr int64_t pixels = 12, masks = 400;
  constexpr double keep = 0.4;
  const Tensor contribution = at::arange(pixels, at::kDouble) - 3;  // w_i x_i
  const Tensor limit = contribution.sum() * keep + contribution * (1 - keep);
  double covered = 0;
  constexpr int runs = 1000;
  for (uint64_t run = 0; run < runs; ++run) {
    const Tensor bits = uniform_matrix(run + 100, masks, pixels).lt(keep).to(at::kDouble);
    RiseSums sums(1, 1, pixels);
    sums.add(bits.view({masks, 1, 1, pixels}), bits.matmul(contribution).unsqueeze(1));
    const Tensor distance = (sums.value().view({pixels}) - limit).abs();
    covered += (distance <= sums.standard_error().view({pixels}) * 1.96).to(at::kDouble).mean().item<double>();
  }
  EXPECT_GT(covered / runs, 0.93);
  EXPECT_LT(covered / runs, 0.97);
}

}  // namespace
}  // namespace vitrail
