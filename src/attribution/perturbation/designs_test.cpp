#include "attribution/perturbation/designs.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>

#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace vitrail {
namespace {

/// Which of `intervals` equal intervals of [0,1) each point of a column falls into, sorted.
std::vector<int64_t> visited(const Tensor& column, int64_t intervals) {
  const Tensor sorted = std::get<0>(column.mul(intervals).floor().to(at::kLong).sort()).contiguous();
  return {sorted.data_ptr<int64_t>(), sorted.data_ptr<int64_t>() + sorted.numel()};
}

std::vector<int64_t> every_interval(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) all[static_cast<size_t>(i)] = i;
  return all;
}

class EverySampler : public testing::TestWithParam<Sampler> {};
INSTANTIATE_TEST_SUITE_P(Designs, EverySampler,
                         testing::Values(Sampler::lhs, Sampler::owen, Sampler::halton, Sampler::monte_carlo));

TEST_P(EverySampler, StaysInTheUnitCube) {
  const Tensor design = draw_design(GetParam(), 64, 130, 1, 0);
  EXPECT_EQ(design.sizes(), (std::vector<int64_t>{64, 130}));
  EXPECT_GE(design.min().item<double>(), 0);
  EXPECT_LT(design.max().item<double>(), 1);
}

TEST_P(EverySampler, IsAFunctionOfSeedAndReplicate) {
  const Tensor design = draw_design(GetParam(), 8, 10, 5, 2);
  EXPECT_TRUE(at::equal(design, draw_design(GetParam(), 8, 10, 5, 2)));
  EXPECT_FALSE(at::equal(design, draw_design(GetParam(), 8, 10, 6, 2)));
  EXPECT_FALSE(at::equal(design, draw_design(GetParam(), 8, 10, 5, 3)));
}

TEST_P(EverySampler, CoordinatesDoNotDependOnTheirNumber) {
  EXPECT_TRUE(at::equal(draw_design(GetParam(), 8, 20, 1, 0).narrow(1, 0, 6), draw_design(GetParam(), 8, 6, 1, 0)));
}

// Over replicates each point alone is uniform: mean 1/2, variance 1/12, within five standard errors.
TEST_P(EverySampler, EachPointIsUniformOverReplicates) {
  constexpr int64_t replicates = 2000;
  Tensor sum = draw_design(GetParam(), 4, 3, 11, 0), squares = sum.square();
  for (int64_t r = 1; r < replicates; ++r) {
    const Tensor design = draw_design(GetParam(), 4, 3, 11, static_cast<uint64_t>(r));
    sum += design;
    squares += design.square();
  }
  const double n = replicates;
  EXPECT_LT((sum / n - 0.5).abs().max().item<double>(), 5 * std::sqrt(1 / 12.0 / n));
  EXPECT_LT((squares / n - 1 / 3.0).abs().max().item<double>(), 5 * std::sqrt(4 / 45.0 / n));
}

TEST(LatinHypercube, EveryCoordinateVisitsEveryIntervalOnce) {
  for (const int64_t points : {1, 2, 7, 8, 50}) {
    const Tensor design = draw_design(Sampler::lhs, points, 12, 3, 1);
    for (int64_t j = 0; j < 12; ++j) EXPECT_EQ(visited(design.select(1, j), points), every_interval(points));
  }
}

TEST(LatinHypercube, CoordinatesAreShuffledIndependently) {
  const Tensor ranks = draw_design(Sampler::lhs, 1000, 2, 9, 0) - 0.5;
  const double correlation = (ranks.select(1, 0) * ranks.select(1, 1)).mean().item<double>() * 12;
  EXPECT_LT(std::abs(correlation), 5 / std::sqrt(1000.0));
}

TEST(Owen, EveryCoordinateIsStratified) {
  for (const int64_t points : {1, 8, 64}) {
    const Tensor design = draw_design(Sampler::owen, points, 30, 3, 1);
    for (int64_t j = 0; j < 30; ++j) EXPECT_EQ(visited(design.select(1, j), points), every_interval(points));
  }
}

// Two of every 2^m points of a (0,m,2)-net never share an elementary interval of area 2^-m.
TEST(Owen, FirstTwoCoordinatesAreANet) {
  constexpr int m = 6;
  const Tensor design = draw_design(Sampler::owen, 1 << m, 2, 17, 0);
  for (int a = 0; a <= m; ++a) {
    const int64_t rows = 1 << a, columns = 1 << (m - a);
    const Tensor box = design.select(1, 0).mul(rows).floor().mul(columns) + design.select(1, 1).mul(columns).floor();
    EXPECT_EQ(visited(box / (1 << m), 1 << m), every_interval(1 << m)) << "boxes of " << rows << " x " << columns;
  }
}

TEST(Owen, LongerDesignsBeginWithTheShorterOnes) {
  EXPECT_TRUE(
      at::equal(draw_design(Sampler::owen, 64, 9, 2, 0).narrow(0, 0, 16), draw_design(Sampler::owen, 16, 9, 2, 0)));
}

// Four points of one coordinate: one flip at the first digit, two independent ones at the second. All eight orders are
// equally likely; a random digital shift reaches two of the four second-digit patterns only.
TEST(Owen, DigitsAreFlippedIndependentlyInEveryBranch) {
  constexpr int draws = 1600;
  std::map<std::vector<int64_t>, int> counts;
  for (uint64_t r = 0; r < draws; ++r) {
    const Tensor quarter = draw_design(Sampler::owen, 4, 1, 4, r).mul(4).floor().to(at::kLong).contiguous();
    ++counts[std::vector<int64_t>(quarter.data_ptr<int64_t>(), quarter.data_ptr<int64_t>() + 4)];
  }
  ASSERT_EQ(counts.size(), 8u);
  double chi_square = 0;
  for (const auto& [order, count] : counts) chi_square += std::pow(count - draws / 8.0, 2) / (draws / 8.0);
  EXPECT_LT(chi_square, 24.3);  // 99.9 % point, 7 degrees of freedom
}

// Scrambling permutes the intervals of the tree: points that share k digits before share exactly k after.
TEST(Owen, KeepsTheTreeOfDigits) {
  constexpr int64_t points = 32;
  const Tensor plain = sobol_sequence(points, 3), design = draw_design(Sampler::owen, points, 3, 8, 0);
  const auto common_digits = [](double a, double b) {
    int digits = 0;
    while (digits < 10 && std::floor(std::ldexp(a, digits + 1)) == std::floor(std::ldexp(b, digits + 1))) ++digits;
    return digits;
  };
  for (int64_t j = 0; j < 3; ++j)
    for (int64_t a = 0; a < points; ++a)
      for (int64_t b = 0; b < a; ++b)
        EXPECT_EQ(common_digits(std::ldexp(plain[a][j].item<double>(), -sobol_digits),
                                std::ldexp(plain[b][j].item<double>(), -sobol_digits)),
                  common_digits(design[a][j].item<double>(), design[b][j].item<double>()));
}

// An 11 x 11 grid needs 242 coordinates, 16 x 16 needs 512.
TEST(Owen, HasDirectionNumbersForFineGrids) {
  const Tensor sequence = sobol_sequence(1024, 600);
  std::set<std::vector<int64_t>> columns;
  for (int64_t j = 0; j < 600; ++j) {
    const Tensor column = sequence.select(1, j).contiguous();
    columns.emplace(column.data_ptr<int64_t>(), column.data_ptr<int64_t>() + 1024);
    EXPECT_EQ(visited(column.to(at::kDouble) / std::ldexp(1, sobol_digits), 1024), every_interval(1024));
  }
  EXPECT_EQ(columns.size(), 600u);
}

TEST(Owen, BeatsMonteCarloOnASmoothFunction) {
  const auto root_mean_square_error = [](Sampler sampler) {
    double sum = 0;
    for (uint64_t r = 0; r < 20; ++r) {
      const Tensor design = draw_design(sampler, 256, 4, 1, r);
      sum += std::pow((design * 2).prod(1).mean().item<double>() - 1, 2);  // integral of prod 2 x_j is 1
    }
    return std::sqrt(sum / 20);
  };
  EXPECT_LT(root_mean_square_error(Sampler::owen), root_mean_square_error(Sampler::monte_carlo) / 5);
}

TEST(Owen, RefusesOtherNumbersThanPowersOfTwo) {
  try {
    draw_design(Sampler::owen, 12, 4, 1, 0);
    FAIL() << "12 points were accepted";
  } catch (const UsageError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("got 12"), std::string::npos) << message;
    EXPECT_NE(message.find("8 or 16"), std::string::npos) << message;
  }
  EXPECT_THROW(sobol_sequence(8, 30000), UsageError);
}

// The first b^k points of a Halton coordinate of base b visit each of the b^k intervals once, permuted or not.
TEST(Halton, VisitsEveryInterval) {
  const Tensor design = draw_design(Sampler::halton, 27, 3, 4, 0);
  for (const auto& [coordinate, intervals] : std::vector<std::pair<int64_t, int64_t>>{{0, 16}, {1, 27}, {2, 25}}) {
    const Tensor visited = (design.narrow(0, 0, intervals).select(1, coordinate) * intervals).floor();
    const auto sorted = std::get<0>(visited.sort());
    EXPECT_TRUE(at::equal(sorted, at::arange(intervals, at::kDouble))) << coordinate;
  }
}

TEST(PlainSobol, IsTheSequenceFromTheOrigin) {
  const Tensor design = draw_design(Sampler::sobol, 4, 2, 9, 0);
  EXPECT_TRUE(at::equal(design, at::tensor({0., 0., .5, .5, .25, .75, .75, .25}, at::kDouble).view({4, 2})));
  EXPECT_THROW(check_design(Sampler::sobol, 8, 2), UsageError);
}

}  // namespace
}  // namespace vitrail
