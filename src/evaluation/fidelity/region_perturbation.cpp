#include <vitrail/region_perturbation.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <vitrail/regions.h>

#include "attribution/perturbation/shared_options.h"
#include "evaluation/case_run.h"
#include "evaluation/fidelity/ordered_regions.h"
#include "evaluation/metric_impl.h"
#include "evaluation/pixel_order.h"

namespace vitrail {

namespace {

MetricScore with_curve(const CaseRun& run, const Tensor& curve, double value) {
  MetricScore score;
  score.value = value;
  score.curve_y = curve;
  score.curve_x = at::arange(curve.numel(), at::kDouble);
  score.forwards = run.forwards();
  return score;
}

template <class Value>
MetricScore of_squares(const MetricCase& map, const RegionPerturbationOptions& options, const Value& value) {
  CaseRun run(map, options.activation);
  const Tensor labels = square_labels(map.map.size(0), map.map.size(1), options.patch);
  const Tensor curve = hide_regions(run, map, labels, options.regions, options.baseline);
  return curve.defined() ? with_curve(run, curve, value(curve)) : undefined_score(kNoOrder);
}

OptionTable<RegionPerturbationOptions> square_options() {
  using Options = RegionPerturbationOptions;
  return OptionTable<Options>({option("patch", &Options::patch, "side of a square, in pixels", at_least(1)),
                               option("regions", &Options::regions, "squares hidden at most", at_least(1)),
                               option("baseline", &Options::baseline, baseline_words),
                               activation_row<Options>(&Options::activation)});
}

const MetricDefinition<RegionPerturbationOptions>& perturbation_definition() {
  static const MetricDefinition<RegionPerturbationOptions> definition(
      {.name = "region_perturbation",
       .family = "fidelity",
       .aliases = {"aopc"},
       .summary = "Hides squares of the photo, the most important first: how much the score drops on average.",
       .formula = "mean over k of g(x) - g(x with the first k squares hidden)",
       .direction = Direction::higher,
       .evidence = Evidence::scores,
       .range = "that of a difference of scores",
       .curve = "squares that are hidden",
       .cost = "regions + 1",
       .source = "Samek, Binder, Montavon, Lapuschkin, Mueller, TNNLS 2017"},
      square_options(), region_perturbation);
  return definition;
}

const MetricDefinition<SelectivityOptions>& selectivity_definition() {
  static const MetricDefinition<SelectivityOptions> definition(
      {.name = "selectivity",
       .family = "fidelity",
       .summary = "Hides squares of the photo, the most important first: the area under the score.",
       .formula = "sum_k (s_k + s_k+1) / 2 / regions, s_k = g(x with the first k squares hidden)",
       .direction = Direction::lower,
       .evidence = Evidence::scores,
       .range = "that of the score",
       .curve = "squares that are hidden",
       .cost = "regions + 1",
       .source = "Montavon, Samek, Mueller, Digital Signal Processing 2018"},
      square_options(), selectivity);
  return definition;
}

const MetricDefinition<IrofOptions>& irof_definition() {
  using Options = IrofOptions;
  static const MetricDefinition<Options> definition(
      {.name = "irof",
       .family = "fidelity",
       .summary = "Hides superpixels, the most important first: the area over the score, as a share of the photo's.",
       .formula = "1 - sum_k (s_k + s_k+1) / 2 / regions / s_0",
       .direction = Direction::higher,
       .evidence = Evidence::scores,
       .range = "1 at most",
       .curve = "superpixels that are hidden",
       .cost = "grid^2 + 1 at most",
       .source = "Rieger, Hansen, IROF, 2020"},
      OptionTable<Options>({option("grid", &Options::grid, "root of the number of superpixels", between(2, 64)),
                            option("baseline", &Options::baseline, baseline_words),
                            activation_row<Options>(&Options::activation)}),
      irof);
  return definition;
}

}  // namespace

const MetricEntry& region_perturbation_metric() { return perturbation_definition(); }
const MetricEntry& selectivity_metric() { return selectivity_definition(); }
const MetricEntry& irof_metric() { return irof_definition(); }

MetricScore region_perturbation(const MetricCase& map, const RegionPerturbationOptions& options) {
  return perturbation_definition().run(map, options, [&] {
    return of_squares(map, options, [](const Tensor& curve) { return (curve[0] - curve).mean().item<double>(); });
  });
}

MetricScore selectivity(const MetricCase& map, const SelectivityOptions& options) {
  return selectivity_definition().run(map, options, [&] { return of_squares(map, options, mean_height); });
}

MetricScore irof(const MetricCase& map, const IrofOptions& options) {
  return irof_definition().run(map, options, [&] {
    CaseRun run(map, options.activation);
    const LabelMap segments = Regions("slic").divide(map.input, options.grid);
    const Tensor curve = hide_regions(run, map, segments.labels, segments.count, options.baseline);
    if (!curve.defined()) return undefined_score(kNoOrder);
    const double base = curve[0].item<double>();
    if (!(base > 0)) return undefined_score("the score of the photo is not positive: nothing can be a share of it");
    return with_curve(run, curve, 1 - mean_height(curve) / base);
  });
}

}  // namespace vitrail
