#include "evaluation/fidelity/ordered_regions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <vector>

#include "attribution/perturbation/fill.h"
#include "evaluation/pixel_order.h"

namespace vitrail {

namespace {

Tensor means_over(const Tensor& map, const Tensor& labels) {
  const Tensor flat = labels.flatten(), sizes = at::bincount(flat).to(at::kDouble);
  return at::zeros({sizes.numel()}, at::kDouble).index_add_(0, flat, map.flatten().to(at::kDouble)) / sizes;
}

/// int64 [1,1,H,W]: the place of each pixel's region, 0 for the one of which the map says most; undefined where it says
/// the same of all.
Tensor places(const Tensor& map, const Tensor& labels) {
  const Tensor means = means_over(map, labels);
  if (is_constant(means)) return {};
  const Tensor order = means.argsort(/*stable=*/true, 0, /*descending=*/true);
  const Tensor of_regions = at::empty({order.numel()}, at::kLong).index_copy_(0, order, at::arange(order.numel()));
  return of_regions.index_select(0, labels.flatten()).view({1, 1, labels.size(0), labels.size(1)});
}

/// For every number in `step` [H,W] below `changes` the least rectangle around its pixels.
std::vector<ImagePatch> rectangles_around(const Tensor& step, int64_t changes) {
  const Tensor numbers = step.contiguous();
  const int64_t height = step.size(0), width = step.size(1);
  std::vector<ImagePatch> found(static_cast<size_t>(changes), {height, width, 0, 0});  // ends in height and width
  for (int64_t p = 0; p < numbers.numel(); ++p) {
    const int64_t number = numbers.const_data_ptr<int64_t>()[p], y = p / width, x = p % width;
    if (number >= changes) continue;
    ImagePatch& r = found[static_cast<size_t>(number)];
    r = {std::min(r.top, y), std::min(r.left, x), std::max(r.height, y + 1), std::max(r.width, x + 1)};
  }
  for (ImagePatch& r : found) {
    r.height -= r.top;
    r.width -= r.left;
  }
  return found;
}

/// One region after the other is hidden, or shown: the scores before and after each of `changes` of them. `step`, int64
/// [1,1,H,W]: when the region of a pixel has its turn.
Tensor scores_along(CaseRun& run, const MetricCase& map, const Tensor& step, int64_t changes, const Baseline& baseline,
                    bool hides) {
  const Fill fill(baseline, map.input, run.scorer());
  if (!fill.depends_on_mask()) {
    const Tensor filled = fill.of_point(0).to(map.input.options()).expand_as(map.input);
    const Tensor &from = hides ? map.input : filled, &to = hides ? filled : map.input;
    const Tensor order = step[0][0];
    const std::vector<ImagePatch> rectangles = rectangles_around(order, changes);
    const Tensor scores = run.score_changes(from, rectangles, [&](int64_t k) {
      const ImagePatch& r = rectangles[static_cast<size_t>(k)];
      const auto part = [&](const Tensor& plane) {
        return plane.narrow(-2, r.top, r.height).narrow(-1, r.left, r.width);
      };
      return at::where(part(order) <= k, part(to), part(from));
    });
    if (scores.defined()) return scores;
  }
  return run.score(changes + 1, [&](int64_t first, int64_t n) {
    const Tensor changed = step < at::arange(first, first + n).view({n, 1, 1, 1});
    const Tensor shown = hides ? changed.logical_not() : changed;
    const std::vector<int64_t> points(static_cast<size_t>(n), 0);
    return at::where(shown, map.input.unsqueeze(0), fill.values(shown.to(map.input.dtype()), points));
  });
}

}  // namespace

Tensor square_labels(int64_t height, int64_t width, int64_t patch) {
  const Tensor rows = at::arange(height).div(patch, "floor"), columns = at::arange(width).div(patch, "floor");
  return rows.unsqueeze(1) * ((width + patch - 1) / patch) + columns;
}

Tensor hide_regions(CaseRun& run, const MetricCase& map, const Tensor& labels, int64_t most, const Baseline& baseline) {
  const Tensor place = places(map.map, labels);
  if (!place.defined()) return {};
  const int64_t regions = place.max().item<int64_t>() + 1;
  return scores_along(run, map, place, std::min(most, regions), baseline, /*hides=*/true);
}

Tensor show_regions(CaseRun& run, const MetricCase& map, const Tensor& labels, const Baseline& baseline) {
  const Tensor place = places(map.map, labels);
  if (!place.defined()) return {};
  const int64_t last = place.max().item<int64_t>();
  return scores_along(run, map, last - place, last + 1, baseline, /*hides=*/false);
}

}  // namespace vitrail
