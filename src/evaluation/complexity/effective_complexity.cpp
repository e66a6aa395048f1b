#include <vitrail/effective_complexity.h>

#include <ATen/TensorOperators.h>

#include "evaluation/complexity/magnitudes.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

OptionTable<EffectiveComplexityOptions> options_table() {
  return OptionTable<EffectiveComplexityOptions>({option(
      "share", &EffectiveComplexityOptions::share, "of the largest |phi|: pixels above it matter", between(0, 0.999))});
}

const MetricDefinition<EffectiveComplexityOptions>& definition() {
  static const MetricDefinition<EffectiveComplexityOptions> definition(
      {.name = "effective_complexity",
       .family = "complexity",
       .summary = "How many pixels have more than a share of the largest relevance.",
       .formula = "#{ |phi| > share x max |phi| }",
       .direction = Direction::lower,
       .evidence = Evidence::map,
       .range = "1 to H W",
       .cost = "0",
       .source = "Nguyen and Martinez, On quantitative aspects of model interpretability, 2020"},
      options_table(), effective_complexity);
  return definition;
}

}  // namespace

const MetricEntry& effective_complexity_metric() { return definition(); }

MetricScore effective_complexity(const MetricCase& map, const EffectiveComplexityOptions& options) {
  return definition().run(map, options, [&] {
    return judge_magnitudes(map, [&](const Tensor& magnitudes) {
      const Tensor matters = magnitudes > magnitudes.max() * options.share;
      MetricScore score{.value = static_cast<double>(matters.sum().item<int64_t>())};
      score.parts["share"] = score.value / static_cast<double>(magnitudes.numel());
      return score;
    });
  });
}

}  // namespace vitrail
