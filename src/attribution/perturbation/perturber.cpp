#include "attribution/perturbation/perturber.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "attribution/maps.h"
#include "attribution/perturbation/masks.h"

namespace vitrail {

namespace {

/// 0 .. n - 1 where `points` are not said.
std::vector<int64_t> numbers(std::span<const int64_t> points, int64_t n) {
  if (!points.empty()) return {points.begin(), points.end()};
  std::vector<int64_t> all(static_cast<size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

Perturber::Perturber(const Tensor& input, const Scorer& scorer, const Regions& regions, int64_t grid,
                     const Baseline& baseline, Operation operation)
    : input_(input), regions_(regions.divide(input, grid)), fill_(baseline, input, scorer), operation_(operation) {}

Tensor Perturber::masks(const Tensor& cells) const {
  return cells.to(input_.options())
      .index_select(1, regions_.labels.flatten())
      .view({cells.size(0), 1, input_.size(1), input_.size(2)});
}

Tensor Perturber::images(const Tensor& cells, std::span<const int64_t> points) const {
  const Tensor m = masks(cells);
  switch (operation_) {
    case Operation::inpainting:
      return apply_masks(input_, fill_.values(m, numbers(points, cells.size(0))), m);
    case Operation::amplitude:
      return input_ + (m - 0.5);
    case Operation::amplitude_legacy:
      return input_ * (m - 0.5);
  }
  VITRAIL_CHECK(false, "unknown operation");
  return {};
}

Tensor Perturber::slope(const Tensor& masks, std::span<const int64_t> points) const {
  switch (operation_) {
    case Operation::inpainting:
      return input_ - fill_.values(masks, numbers(points, masks.size(0)));
    case Operation::amplitude:
      return at::ones_like(input_);
    case Operation::amplitude_legacy:
      return input_;
  }
  VITRAIL_CHECK(false, "unknown operation");
  return {};
}

Tensor Perturber::sum_by_region(const Tensor& values) const {
  const Tensor pixels = values.sum(1).flatten(1).to(at::kDouble);
  return at::zeros({values.size(0), cells()}, pixels.options()).index_add_(1, regions_.labels.flatten(), pixels);
}

Tensor Perturber::map(const Tensor& values) const {
  if (!regions_.is_grid) return values.index_select(0, regions_.labels.flatten()).view_as(regions_.labels);
  return upsample(native(values), input_.size(1), input_.size(2), Interpolation::bicubic);
}

Tensor Perturber::native(const Tensor& values) const {
  const auto grid = std::lround(std::sqrt(static_cast<double>(cells())));
  return regions_.is_grid ? values.reshape({grid, grid}) : values.reshape({1, cells()});
}

}  // namespace vitrail
