#include "evaluation/pixel_order.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/trapezoid.h>

#include <cmath>

#include "attribution/random.h"

namespace vitrail {

namespace {

/// A random order of the numbers 0 .. count - 1.
Tensor shuffled(int64_t count, uint64_t seed) {
  const Random random(seed, RandomStream::order, 0);
  Tensor keys = at::empty({count}, at::kDouble);
  for (int64_t i = 0; i < count; ++i) keys.mutable_data_ptr<double>()[i] = random.uniform_at(static_cast<uint64_t>(i));
  return keys.argsort(/*stable=*/true);
}

}  // namespace

Tensor pixel_ranks(const Tensor& map, Ties ties, uint64_t seed) {
  const Tensor values = map.flatten().to(at::kDouble);
  const int64_t pixels = values.numel();
  const Tensor start = ties == Ties::random ? shuffled(pixels, seed) : at::arange(pixels);
  const Tensor order = start.index_select(0, values.index_select(0, start).argsort(/*stable=*/true, 0, true));
  Tensor ranks = at::empty({pixels}, at::kLong);
  return ranks.index_copy_(0, order, at::arange(pixels)).view_as(map);
}

bool is_constant(const Tensor& map) { return map.max().item<double>() == map.min().item<double>(); }

Tensor prefix_sizes(int64_t pixels, int64_t steps, double share) {
  const auto last = static_cast<int64_t>(std::floor(share * static_cast<double>(pixels)));
  if (steps < 0) return at::arange(last + 1);
  return at::arange(steps + 1).mul(last).div(steps, "floor");
}

double mean_height(const Tensor& curve) {
  return at::trapezoid(curve).item<double>() / static_cast<double>(curve.numel() - 1);
}

}  // namespace vitrail
