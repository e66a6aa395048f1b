#include "attribution/perturbation/perturber.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
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

Tensor Perturber::perturb(const Tensor& input, const Tensor& mask, const Tensor& hidden) const {
  switch (operation_) {
    case Operation::inpainting:
      return apply_masks(input, hidden, mask);
    case Operation::amplitude:
      return input + (mask - 0.5);
    case Operation::amplitude_legacy:
      return input * (mask - 0.5);
  }
  VITRAIL_CHECK(false, "unknown operation");
  return {};
}

Tensor Perturber::images(const Tensor& cells, std::span<const int64_t> points) const {
  const Tensor m = masks(cells);
  const bool hides = operation_ == Operation::inpainting;
  return perturb(input_, m, hides ? fill_.values(m, numbers(points, cells.size(0))) : Tensor());
}

std::vector<ImagePatch> Perturber::rectangles() const {
  std::vector<ImagePatch> found(static_cast<size_t>(cells()), {regions_.labels.size(0), regions_.labels.size(1), 0, 0});
  std::vector<std::pair<int64_t, int64_t>> ends(found.size());
  const auto label = regions_.labels.accessor<int64_t, 2>();
  for (int64_t y = 0; y < label.size(0); ++y)
    for (int64_t x = 0; x < label.size(1); ++x) {
      const auto region = static_cast<size_t>(label[y][x]);
      found[region].top = std::min(found[region].top, y);
      found[region].left = std::min(found[region].left, x);
      ends[region] = {std::max(ends[region].first, y + 1), std::max(ends[region].second, x + 1)};
    }
  for (size_t r = 0; r < found.size(); ++r) {
    found[r].height = ends[r].first - found[r].top;
    found[r].width = ends[r].second - found[r].left;
  }
  return found;
}

Tensor Perturber::part(const Tensor& levels, const ImagePatch& r, int64_t point) const {
  const auto crop = [&](const Tensor& t) {  // axes of size 1 stay as they are
    Tensor cropped = t;
    if (t.dim() >= 2 && t.size(-2) > 1) cropped = cropped.narrow(-2, r.top, r.height);
    if (t.dim() >= 1 && t.size(-1) > 1) cropped = cropped.narrow(-1, r.left, r.width);
    return cropped;
  };
  const Tensor labels = regions_.labels.narrow(0, r.top, r.height).narrow(1, r.left, r.width);
  const Tensor mask = levels.to(input_.options()).index_select(0, labels.flatten()).view({1, 1, r.height, r.width});
  const bool hides = operation_ == Operation::inpainting;
  return perturb(crop(input_), mask, hides ? crop(fill_.of_point(point)) : Tensor())[0];
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
