#include "attribution/perturbation/cell_results.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>
#include <vitrail/error.h>

namespace vitrail {

void fill_results(MethodRun& run, const Perturber& perturber, const CellEstimate& estimate,
                  const CellResultOptions& options) {
  for (int64_t t = 0; t < run.targets(); ++t) {
    Explanation& result = run.results()[static_cast<size_t>(t)];
    const Tensor values = estimate.value.select(1, t);
    result.cells = perturber.native(values);
    result.map = perturber.map(values);
    if (estimate.standard_error.defined())
      result.standard_error = perturber.map(estimate.standard_error.select(1, t)).clamp_min(0);
    if (options.not_negative) result.map.clamp_min_(0);
    result.plan["cells"] = std::to_string(perturber.cells());
    if (!options.verdict.empty()) result.plan["settled"] = options.verdict;
  }
}

void fill_completeness(MethodRun& run, const CellEstimate& estimate, const Tensor& difference) {
  const Tensor gap = estimate.value.sum(0) - difference;
  for (int64_t t = 0; t < run.targets(); ++t)
    run.results()[static_cast<size_t>(t)].completeness_gap = gap[t].item<double>();
}

CellEstimate smooth(const CellEstimate& estimate, const Perturber& perturber, double share) {
  if (share == 0) return estimate;
  if (!perturber.regions().is_grid)
    throw UsageError("smoothing needs a grid, whose cells have neighbours; found other regions. Use smoothing=0.");
  const int64_t side = perturber.native(estimate.value.select(1, 0)).size(0);
  const auto sum_of_neighbours = [&](const Tensor& cells) {  // [side,side,T]
    const Tensor sum = at::zeros_like(cells);
    for (const int64_t axis : {0, 1}) {
      sum.narrow(axis, 1, side - 1) += cells.narrow(axis, 0, side - 1);
      sum.narrow(axis, 0, side - 1) += cells.narrow(axis, 1, side - 1);
    }
    return sum;
  };
  const auto blend = [&](const Tensor& values) {
    const Tensor cells = values.view({side, side, values.size(1)});
    const Tensor neighbours = sum_of_neighbours(at::ones_like(cells)).clamp_min(1);
    return (cells * (1 - share) + sum_of_neighbours(cells) / neighbours * share).view_as(values);
  };
  return {blend(estimate.value), blend(estimate.standard_error), estimate.is_constant};
}

}  // namespace vitrail
