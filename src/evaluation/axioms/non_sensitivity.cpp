#include <vitrail/non_sensitivity.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <vitrail/regions.h>

#include <vector>

#include "attribution/perturbation/perturber.h"
#include "attribution/perturbation/shared_options.h"
#include "evaluation/case_run.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

MetricScore disagreement(const MetricCase& map, const NonSensitivityOptions& options) {
  CaseRun run(map, options.activation);
  const Perturber perturber(map.input, run.scorer(), Regions(), options.grid, options.baseline);
  const Tensor shown = 1 - at::eye(perturber.cells(), map.input.options());
  const Tensor scores = run.score(perturber.cells(), [&](int64_t first, int64_t n) {
    return perturber.images(shown.narrow(0, first, n), std::vector<int64_t>(static_cast<size_t>(n), 0));
  });
  const Tensor changes = (scores - run.base()).abs();
  const Tensor relevance = perturber.sum_by_region(map.map.to(at::kDouble).abs().unsqueeze(0).unsqueeze(0))[0];
  if (!relevance.any().item<bool>()) return undefined_score("the map is zero everywhere");
  if (!changes.any().item<bool>()) return undefined_score("no cell changes the score");
  const Tensor irrelevant = relevance <= relevance.max() * options.tolerance;
  const Tensor insensitive = changes <= changes.max() * options.tolerance;
  const auto share = [](const Tensor& cells) { return cells.to(at::kDouble).mean().item<double>(); };
  MetricScore score{.value = share(irrelevant != insensitive)};
  score.parts = {{"irrelevant", share(irrelevant)}, {"insensitive", share(insensitive)}};
  score.forwards = run.forwards();
  return score;
}

OptionTable<NonSensitivityOptions> options_table() {
  using Options = NonSensitivityOptions;
  return OptionTable<Options>(
      {option("grid", &Options::grid, "cells along a side", between(1, 128)),
       option("tolerance", &Options::tolerance, "share of the largest value that counts as none", between(0, 0.999)),
       option("baseline", &Options::baseline, baseline_words), activation_row(&Options::activation)});
}

const MetricDefinition<NonSensitivityOptions>& definition() {
  static const MetricDefinition<NonSensitivityOptions> definition(
      {.name = "non_sensitivity",
       .family = "axioms",
       .summary = "Share of cells that have relevance but do not change the score, or the other way round.",
       .formula = "#(cells without relevance xor without effect) / cells",
       .direction = Direction::lower,
       .evidence = Evidence::scores,
       .range = "0 to 1",
       .cost = "grid^2 + 1",
       .source = "Nguyen and Martinez, On quantitative aspects of model interpretability, 2020"},
      options_table(), non_sensitivity);
  return definition;
}

}  // namespace

const MetricEntry& non_sensitivity_metric() { return definition(); }

MetricScore non_sensitivity(const MetricCase& map, const NonSensitivityOptions& options) {
  return definition().run(map, options, [&] { return disagreement(map, options); });
}

}  // namespace vitrail
