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

/// Scores of the photo where only the regions in `shows(first, n)`, bool [n,1,H,W], show.
template <class Shows>
Tensor scores_of(CaseRun& run, const MetricCase& map, const Baseline& baseline, int64_t samples, const Shows& shows) {
  const Fill fill(baseline, map.input, run.scorer());
  return run.score(samples, [&](int64_t first, int64_t n) {
    const Tensor shown = shows(first, n);
    const std::vector<int64_t> points(static_cast<size_t>(n), 0);
    return at::where(shown, map.input.unsqueeze(0), fill.values(shown.to(map.input.dtype()), points));
  });
}

Tensor counts(int64_t first, int64_t n) { return at::arange(first, first + n).view({n, 1, 1, 1}); }

}  // namespace

Tensor square_labels(int64_t height, int64_t width, int64_t patch) {
  const Tensor rows = at::arange(height).div(patch, "floor"), columns = at::arange(width).div(patch, "floor");
  return rows.unsqueeze(1) * ((width + patch - 1) / patch) + columns;
}

Tensor hide_regions(CaseRun& run, const MetricCase& map, const Tensor& labels, int64_t most, const Baseline& baseline) {
  const Tensor place = places(map.map, labels);
  if (!place.defined()) return {};
  const int64_t regions = place.max().item<int64_t>() + 1;
  return scores_of(run, map, baseline, std::min(most, regions) + 1,
                   [&](int64_t first, int64_t n) { return place >= counts(first, n); });
}

Tensor show_regions(CaseRun& run, const MetricCase& map, const Tensor& labels, const Baseline& baseline) {
  const Tensor place = places(map.map, labels);
  if (!place.defined()) return {};
  const int64_t regions = place.max().item<int64_t>() + 1;
  return scores_of(run, map, baseline, regions + 1,
                   [&](int64_t first, int64_t n) { return place >= regions - counts(first, n); });
}

}  // namespace vitrail
