#include "evaluation/fidelity/subsets.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/kthvalue.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <limits>
#include <span>
#include <vector>

#include "attribution/random.h"
#include "base/ranks.h"

namespace vitrail {

namespace {

Tensor uniform_numbers(int64_t count, uint64_t seed, uint64_t index) {
  Random random(seed, RandomStream::coalition, index);
  Tensor values = at::empty({count}, at::kDouble);
  for (int64_t i = 0; i < count; ++i) values.mutable_data_ptr<double>()[i] = random.uniform();
  return values;
}

}  // namespace

Tensor cells_of_grid(int64_t height, int64_t width, int64_t grid) {
  const Tensor rows = at::arange(height).mul(grid).div(height, "floor"),
               columns = at::arange(width).mul(grid).div(width, "floor");
  return (rows.unsqueeze(1) * grid + columns).flatten();
}

Tensor draw_bernoulli(int64_t count, double probability, uint64_t seed, uint64_t index) {
  return uniform_numbers(count, seed, index) < probability;
}

Tensor draw_fixed(int64_t count, int64_t size, uint64_t seed, uint64_t index) {
  if (size == 0) return at::zeros({count}, at::kBool);
  const Tensor numbers = uniform_numbers(count, seed, index);  // of 53 bits: no two are alike
  return numbers <= std::get<0>(at::kthvalue(numbers, size));
}

Tensor sums_over(const Tensor& map, const Tensor& cells, const Tensor& subsets) {
  const Tensor of_cells = at::zeros({subsets.size(1)}, at::kDouble).index_add_(0, cells, map.flatten().to(at::kDouble));
  return at::matmul(subsets.to(at::kDouble), of_cells);
}

Tensor drops_of(CaseRun& run, const Fill& fill, const Tensor& input, const Tensor& cells, const Tensor& subsets) {
  const Tensor scores = run.score(subsets.size(0), [&](int64_t first, int64_t n) {
    const Tensor hidden = subsets.narrow(0, first, n).index_select(1, cells).view({n, 1, input.size(1), input.size(2)});
    std::vector<int64_t> points;
    for (int64_t i = 0; i < n; ++i) points.push_back(first + i);
    return at::where(hidden, fill.values(hidden.logical_not().to(input.dtype()), points), input.unsqueeze(0));
  });
  // What varies by rounding alone is constant.
  constexpr double kRounding = 2 * std::numeric_limits<float>::epsilon();
  const bool varies = (scores.max() - scores.min()).item<double>() > kRounding * scores.abs().max().item<double>();
  return run.base() - (varies ? scores : scores.mean().expand_as(scores));
}

double correlate(const Tensor& a, const Tensor& b, Correlation kind) {
  const auto numbers = [](const Tensor& values) {
    return std::span(values.const_data_ptr<double>(), static_cast<size_t>(values.numel()));
  };
  const Tensor x = a.contiguous(), y = b.contiguous();
  return kind == Correlation::spearman ? rank_correlation(numbers(x), numbers(y)) : correlation(numbers(x), numbers(y));
}

}  // namespace vitrail
