#include <vitrail/sensitivity.h>

#include "evaluation/metric_impl.h"
#include "evaluation/stability/neighbours.h"

namespace vitrail {

namespace {

MetricScore relative_change(const MetricCase& map, const SensitivityOptions& options, Over over) {
  const double size = norm_of(map.map.to(at::kDouble));
  if (size == 0) return undefined_score("the map is zero everywhere: no change can be a share of it");
  return over_neighbours(map, ball(options), over, [&](const Change& change) { return norm_of(change.map) / size; });
}

const MetricDefinition<SensitivityOptions>& max_definition() {
  static const MetricDefinition<SensitivityOptions> definition(
      describe_stability("max_sensitivity", "Largest relative change of the map in a small ball around the input.",
                         "max_j ||phi(x) - phi(x_j)||_2 / ||phi(x)||_2", "from 0", "Yeh et al., NeurIPS 2019"),
      neighbour_rows<SensitivityOptions>(), max_sensitivity);
  return definition;
}

const MetricDefinition<SensitivityOptions>& average_definition() {
  static const MetricDefinition<SensitivityOptions> definition(
      describe_stability("average_sensitivity", "Mean relative change of the map in a small ball around the input.",
                         "mean_j ||phi(x) - phi(x_j)||_2 / ||phi(x)||_2", "from 0", "Yeh et al., NeurIPS 2019"),
      neighbour_rows<SensitivityOptions>(), average_sensitivity);
  return definition;
}

}  // namespace

const MetricEntry& max_sensitivity_metric() { return max_definition(); }
const MetricEntry& average_sensitivity_metric() { return average_definition(); }

MetricScore max_sensitivity(const MetricCase& map, const SensitivityOptions& options) {
  return max_definition().run(map, options, [&] { return relative_change(map, options, Over::maximum); });
}

MetricScore average_sensitivity(const MetricCase& map, const SensitivityOptions& options) {
  return average_definition().run(map, options, [&] { return relative_change(map, options, Over::mean); });
}

}  // namespace vitrail
