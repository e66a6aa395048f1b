#include <vitrail/feature_ablation.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>

#include <algorithm>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/hide_one.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

void explain_input(MethodRun& run, const Scorer& model, const FeatureAblationOptions& options) {
  const Perturber perturber(run.input(), model, options.regions, options.grid, options.baseline);
  const auto levels = [&](int64_t hidden) {
    const Tensor shown = at::ones({perturber.cells()}, at::kDouble);
    if (hidden >= 0) shown[hidden] = 0;
    return shown;
  };
  Places regions{.name = "regions", .rectangles = perturber.rectangles(), .images = {}, .pixels = {}};
  regions.images = [&](const std::vector<int64_t>& hidden) {
    Tensors shown;
    std::vector<int64_t> points;
    for (const int64_t region : hidden) {
      shown.push_back(levels(region));
      points.push_back(std::max<int64_t>(region, 0));  // whichever where nothing is hidden
    }
    return perturber.images(at::stack(shown), points);
  };
  if (perturber.is_local())
    regions.pixels = [&](int64_t region) {
      return perturber.part(levels(region), regions.rectangles[static_cast<size_t>(region)], region);
    };
  fill_results(run, perturber, {score_drops(run, regions), {}});
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
