#include <vitrail/gini.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/sort.h>

#include "evaluation/complexity/magnitudes.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

const MetricDefinition<GiniOptions>& definition() {
  static const MetricDefinition<GiniOptions> definition(
      {.name = "gini",
       .family = "complexity",
       .aliases = {"sparseness"},
       .summary = "How unequally the relevance is spread over the pixels.",
       .formula = "sum_i (2 i - d - 1) v_i / (d sum v),  v = |phi| in ascending order",
       .direction = Direction::higher,
       .evidence = Evidence::map,
       .range = "0 to 1 - 1 / (H W)",
       .cost = "0",
       .source = "Chalasani et al., Concise Explanations, ICML 2020"},
      OptionTable<GiniOptions>({}), gini);
  return definition;
}

}  // namespace

const MetricEntry& gini_metric() { return definition(); }

MetricScore gini(const MetricCase& map, const GiniOptions& options) {
  return definition().run(map, options, [&] {
    return judge_magnitudes(map, [](const Tensor& magnitudes) {
      const int64_t d = magnitudes.numel();
      const Tensor places = at::arange(1, d + 1, at::kDouble) * 2 - static_cast<double>(d + 1);
      const Tensor sorted = std::get<0>(magnitudes.sort());
      return MetricScore{.value = ((places * sorted).sum() / sorted.sum()).item<double>() / static_cast<double>(d)};
    });
  });
}

}  // namespace vitrail
