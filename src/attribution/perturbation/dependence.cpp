#include "attribution/perturbation/dependence.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "attribution/perturbation/regression.h"

namespace vitrail {

namespace {

constexpr int64_t most_groups = RegressionSums::groups;
constexpr int64_t landmarks = 64;
constexpr int64_t features = 6;

/// Up to `count` of the values, evenly from first to last.
Tensor evenly(const Tensor& values, int64_t count) {
  const int64_t n = values.size(0);
  if (n <= count) return values;
  return values.index_select(0, at::arange(count, at::kLong).mul(n - 1).div(count - 1, "floor"));
}

Tensor gaussian(const Tensor& a, const Tensor& b, double width) {
  return ((a.unsqueeze(1) - b.unsqueeze(0)).square() / (-2 * width * width)).exp();
}

/// Row numbers of each group: a unit each, units modulo their number where they are many; single rows where there is
/// but one unit.
std::vector<Tensor> groups_of(int64_t rows, int64_t rows_a_unit) {
  const int64_t size = rows > rows_a_unit ? rows_a_unit : 1;
  const Tensor unit = at::arange(rows, at::kLong).div(size, "floor").remainder(most_groups);
  std::vector<Tensor> groups;
  for (int64_t g = 0; g < most_groups; ++g) {
    const Tensor members = unit.eq(g).nonzero().squeeze(1);
    if (members.numel() > 0) groups.push_back(members);
  }
  return groups;
}

/// Sums over pairs of groups of m_a L_ab m_b, m_a L_ab and L_ab, and over groups of m and 1.
struct GroupSums {
  Tensor both, left, kernel;  // [G,G,d], [G,G,d], [G,G,1]
  Tensor ones, rows;          // [G,d], [G,1]

  GroupSums(const std::vector<Tensor>& groups, const Tensor& m, const Tensor& y, double width) {
    const auto count = static_cast<int64_t>(groups.size());
    both = at::zeros({count, count, m.size(1)}, at::kDouble);
    left = both.clone();
    kernel = at::zeros({count, count, 1}, at::kDouble);
    ones = at::zeros({count, m.size(1)}, at::kDouble);
    rows = at::zeros({count, 1}, at::kDouble);
    for (int64_t g = 0; g < count; ++g) {
      const Tensor m_g = m.index_select(0, groups[static_cast<size_t>(g)]);
      const Tensor y_g = y.index_select(0, groups[static_cast<size_t>(g)]);
      ones[g].copy_(m_g.sum(0));
      rows[g].fill_(static_cast<double>(m_g.size(0)));
      for (int64_t h = g; h < count; ++h) {
        const Tensor m_h = m.index_select(0, groups[static_cast<size_t>(h)]);
        const Tensor block = gaussian(y_g, y.index_select(0, groups[static_cast<size_t>(h)]), width);
        const Tensor l_m = at::matmul(block, m_h);
        for (const Tensor& place : {both[g][h], both[h][g]}) place.copy_((m_g * l_m).sum(0));
        left[h][g].copy_(l_m.sum(0));
        left[g][h].copy_(at::matmul(block.sum(1), m_g));
        for (const Tensor& place : {kernel[g][h], kernel[h][g]}) place.fill_(block.sum());
      }
    }
  }
};

/// The statistic of all rows, first, and of all but each group: [1+G,d].
Tensor kernel_statistics(const GroupSums& sums) {
  const auto all_and_without = [](const Tensor& pairs) {  // [G,G,k] -> [1+G,k]
    const Tensor total = pairs.sum(at::IntArrayRef({0, 1})).unsqueeze(0);
    const Tensor diagonal = pairs.diagonal(0, 0, 1).transpose(0, 1);
    return at::cat({total, total - pairs.sum(0) - pairs.sum(1) + diagonal});
  };
  const auto all_and_without_one = [](const Tensor& groups) {  // [G,k] -> [1+G,k]
    const Tensor total = groups.sum(0, true);
    return at::cat({total, total - groups});
  };
  const Tensor n = all_and_without_one(sums.rows).clamp_min(1);
  const Tensor mean = all_and_without_one(sums.ones) / n;
  return (all_and_without(sums.both) - mean * all_and_without(sums.left) * 2 +
          mean.square() * all_and_without(sums.kernel)) *
         2 / n.square();
}

/// The leading features F [N,6] of the centred kernel, F F' ~ H L H.
Tensor leading_features(const Tensor& y, double width) {
  const Tensor marks = evenly(std::get<0>(y.sort()), landmarks);
  const auto [values, vectors] = at::linalg_eigh(gaussian(marks, marks, width));
  const Tensor kept = values > values.amax() * 1e-10;
  const Tensor root = at::where(kept, values.clamp_min(1e-300).rsqrt(), values.new_zeros({}));
  Tensor map = at::matmul(gaussian(y, marks, width), vectors * root);  // [N,landmarks]
  map = map - map.mean(0);
  const Tensor directions = std::get<1>(at::linalg_eigh(at::matmul(map.t(), map)));  // ascending
  const int64_t count = std::min(features, directions.size(1));
  return at::matmul(map, directions.narrow(1, directions.size(1) - count, count));
}

}  // namespace

double kernel_width(KernelWidth rule, const Tensor& y) {
  const double least = std::max(y.abs().max().item<double>() * 1e-12, 1e-300);
  if (rule == KernelWidth::median_output) return std::max(std::abs(y.median().item<double>()), least);
  const Tensor some = evenly(y, 1024);
  const Tensor distance = (some.unsqueeze(1) - some.unsqueeze(0)).abs();
  const Tensor index = at::arange(some.size(0), at::kLong);
  const Tensor pairs = distance.masked_select(index.unsqueeze(1) < index.unsqueeze(0));
  return pairs.numel() == 0 ? least : std::max(pairs.median().item<double>(), least);
}

Dependence kernel_dependence(const Tensor& m, const Tensor& y, double width, int64_t rows_a_unit) {
  const std::vector<Tensor> groups = groups_of(m.size(0), rows_a_unit);
  const Tensor statistics = kernel_statistics(GroupSums(groups, m, y, width)).clamp_min(0);
  return {statistics[0], jackknife_error(statistics.narrow(0, 1, static_cast<int64_t>(groups.size())))};
}

Dependence regression_dependence(const Tensor& m, const Tensor& y, double width, int64_t rows_a_unit) {
  const Tensor target = leading_features(y, width);
  RegressionSums sums(1, m.size(1), target.size(1), m.size(0) > rows_a_unit ? rows_a_unit : 1);
  sums.add(m.new_ones({m.size(0), 1}), m, target);
  const RegressionFit fit = sums.fit();
  const Tensor mean = m.mean(0), variance = mean * (1 - mean);
  const auto value = [&](const Tensor& coefficients) { return coefficients.square().sum(-1) * variance.square() * 2; };
  return {value(fit.coefficients), jackknife_error(value(fit.without))};
}

}  // namespace vitrail
