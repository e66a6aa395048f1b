#include <vitrail/monotonicity.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include "attribution/perturbation/shared_options.h"
#include "evaluation/fidelity/ordered_regions.h"
#include "evaluation/fidelity/subsets.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

const MetricDefinition<MonotonicityOptions>& definition() {
  using Options = MonotonicityOptions;
  static const MetricDefinition<Options> definition(
      {.name = "monotonicity",
       .family = "fidelity",
       .summary = "Shows cells of the photo, the least important first: the share of steps that raise the score.",
       .formula = "share of k with s_k >= s_k-1, s_k = g(baseline with the k least important cells of x)",
       .direction = Direction::higher,
       .evidence = Evidence::scores,
       .range = "0 to 1",
       .curve = "cells that are shown",
       .cost = "grid^2 + 1",
       .source = "Luss, Chen, Dhurandhar, Sattigeri, Zhang, Shanmugam, Tu, KDD 2021"},
      OptionTable<Options>({option("grid", &Options::grid, "cells along a side", between(2, 64)),
                            option("baseline", &Options::baseline, baseline_words),
                            activation_row<Options>(&Options::activation)}),
      monotonicity);
  return definition;
}

}  // namespace

const MetricEntry& monotonicity_metric() { return definition(); }

MetricScore monotonicity(const MetricCase& map, const MonotonicityOptions& options) {
  return definition().run(map, options, [&] {
    CaseRun run(map, options.activation);
    const Tensor labels = cells_of_grid(map.map.size(0), map.map.size(1), options.grid).view_as(map.map);
    const Tensor curve = show_regions(run, map, labels, options.baseline);
    if (!curve.defined()) return undefined_score(kNoOrder);
    const int64_t steps = curve.numel() - 1;
    MetricScore score;
    score.value = (curve.narrow(0, 1, steps) >= curve.narrow(0, 0, steps)).to(at::kDouble).mean().item<double>();
    score.curve_y = curve;
    score.curve_x = at::arange(curve.numel(), at::kDouble);
    score.forwards = run.forwards();
    return score;
  });
}

}  // namespace vitrail
