#include <vitrail/feature_ablation.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/coalitions.h"
#include "attribution/perturbation/shared_options.h"
#include "attribution/perturbation/spread_order.h"

namespace vitrail {

namespace {

void explain_input(MethodRun& run, const Scorer& model, const FeatureAblationOptions& options) {
  const Perturber perturber(run.input(), model, options.regions, options.grid, options.baseline);
  CoalitionScorer scorer(run, perturber);
  const int64_t regions = perturber.cells();
  const Tensor drops = at::zeros({regions, run.targets()}, at::kDouble);
  const std::vector<int64_t> order = spread_order(regions);
  Tensor before;
  CoalitionUnits units;
  units.count = 1 + regions;  // the image, then a region hidden at a time
  units.draw = [&](int64_t unit) {
    const Tensor shown = at::ones({1, regions}, at::kDouble);
    if (unit > 0) shown[0][order[static_cast<size_t>(unit - 1)]] = 0;
    return shown;
  };
  units.add = [&](int64_t first, const Tensor&, const Tensor& scores) {
    if (first == 0) run.set_scores(before = scores[0].clone());
    for (int64_t i = first == 0 ? 1 : 0; i < scores.size(0); ++i)
      drops[order[static_cast<size_t>(first + i - 1)]].copy_(before - scores[i]);
  };
  const int64_t done = score_units(run, scorer, units);
  if (run.stopped())
    run.warn("Stopped after " + std::to_string(std::max<int64_t>(done - 1, 0)) + " of " + std::to_string(regions) +
             " regions: those not tried count as 0.");
  fill_results(run, perturber, {drops, {}});
}

Method::Cost cost(const FeatureAblationOptions& options, int64_t, int64_t, int64_t) {
  return {.forwards = 1 + options.grid * options.grid};
}

const MethodDefinition<FeatureAblationOptions, Scorer>& definition() {
  using Options = FeatureAblationOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "feature_ablation",
       .family = "perturbation",
       .summary = "Hides one region at a time and takes how much the score drops.",
       .formula = "phi_i = g(x) - g(x with region i hidden)",
       .cost = "grid^2 + 1",
       .guarantees = "Deterministic. Exact w_i (x_i - b_i) for a linear score.",
       .source = "Leave one covariate out; FeatureAblation of Captum",
       .access = Access::scorer,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>(region_rows<Options>()), feature_ablation, cost);
  return definition;
}

}  // namespace

const MethodEntry& feature_ablation_method() { return definition(); }

std::vector<Explanation> feature_ablation(const Scorer& scorer, const Tensor& inputs,
                                          const FeatureAblationOptions& options, const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> feature_ablation(const Model& model, const Image& image, const std::string& target,
                                          const FeatureAblationOptions& options) {
  return explain_image(model, image, target, [&](const Probe& probe, const Tensor& input) {
    return feature_ablation(probe, input, options);
  });
}

}  // namespace vitrail
