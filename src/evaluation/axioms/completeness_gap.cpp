#include <vitrail/completeness_gap.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "attribution/perturbation/fill.h"
#include "attribution/perturbation/shared_options.h"
#include "evaluation/case_run.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

MetricScore gap(const MetricCase& map, const CompletenessGapOptions& options) {
  if (!map.is_signed) return undefined_score("the map is unsigned: it is no sum of contributions");
  CaseRun run(map, options.activation);
  const Fill fill(options.baseline, map.input, run.scorer());
  const Tensor hidden = at::zeros({1, 1, map.map.size(0), map.map.size(1)}, map.input.options());
  const double start =
      run.score(1,
                [&](int64_t, int64_t) {
                  return fill.values(hidden, std::vector<int64_t>{0}).expand({1, -1, map.map.size(0), map.map.size(1)});
                })
          .item<double>();
  const double sum = map.map.to(at::kDouble).sum().item<double>(), rise = run.base() - start;
  if (rise == 0) return undefined_score("the score of the input is that of the baseline: there is nothing to divide");
  MetricScore score{.value = std::abs(sum - rise) / std::abs(rise)};
  score.parts = {{"sum", sum}, {"rise", rise}};
  score.forwards = run.forwards();
  return score;
}

OptionTable<CompletenessGapOptions> options_table() {
  using Options = CompletenessGapOptions;
  return OptionTable<Options>(
      {option("baseline", &Options::baseline, baseline_words), activation_row(&Options::activation)});
}

const MetricDefinition<CompletenessGapOptions>& definition() {
  static const MetricDefinition<CompletenessGapOptions> definition(
      {.name = "completeness_gap",
       .family = "axioms",
       .aliases = {"completeness"},
       .summary = "How far the sum of the map is from the rise of the score that it divides.",
       .formula = "|sum phi - (g(x) - g(b))| / |g(x) - g(b)|",
       .direction = Direction::lower,
       .evidence = Evidence::scores,
       .range = "from 0",
       .cost = "2",
       .source = "Sundararajan, Taly, Yan, ICML 2017"},
      options_table(), completeness_gap);
  return definition;
}

}  // namespace

const MetricEntry& completeness_gap_metric() { return definition(); }

MetricScore completeness_gap(const MetricCase& map, const CompletenessGapOptions& options) {
  return definition().run(map, options, [&] { return gap(map, options); });
}

}  // namespace vitrail
