#include <vitrail/average_stability.h>

#include <ATen/TensorOperators.h>

#include "evaluation/map_correlation.h"
#include "evaluation/metric_impl.h"
#include "evaluation/pixel_order.h"
#include "evaluation/stability/neighbours.h"

namespace vitrail {

namespace {

double distance_of(const Tensor& map, const Tensor& change, StabilityDistance distance) {
  switch (distance) {
    case StabilityDistance::l1:
      return change.abs().sum().item<double>();
    case StabilityDistance::l2:
      return norm_of(change);
    case StabilityDistance::spearman:
      return 1 - map_correlation(map, map + change);
  }
  VITRAIL_CHECK(false, "a distance that is none of the enumerators");
}

OptionTable<AverageStabilityOptions> options_table() {
  using Options = AverageStabilityOptions;
  std::vector<Option<Options>> rows = neighbour_rows<Options>();
  rows.push_back(option("centred", &Options::centred, "changes have mean 0, instead of radius / 2"));
  rows.push_back(choice(
      "distance", &Options::distance, "between two maps; spearman: 1 - rank correlation",
      {{"l1", StabilityDistance::l1}, {"l2", StabilityDistance::l2}, {"spearman", StabilityDistance::spearman}}));
  return rows;
}

const MetricDefinition<AverageStabilityOptions>& definition() {
  static const MetricDefinition<AverageStabilityOptions> definition(
      describe_stability("average_stability", "How far the map moves when the input is changed a little.",
                         "mean_j d(phi(x), phi(x + xi_j)),  xi_j uniform on (0, radius)",
                         "from 0; l1 and l2 in the map's unit, spearman to 2", "Bhatt, Weller, Moura, IJCAI 2020"),
      options_table(), average_stability);
  return definition;
}

}  // namespace

const MetricEntry& average_stability_metric() { return definition(); }

MetricScore average_stability(const MetricCase& map, const AverageStabilityOptions& options) {
  return definition().run(map, options, [&] {
    if (options.distance == StabilityDistance::spearman && is_constant(map.map)) return undefined_score(kConstantMap);
    const double low = options.centred ? -options.radius / 2 : 0;
    const Tensor relevance = map.map.to(at::kDouble);
    return over_neighbours(map, {options.samples, low, low + options.radius, options.seed}, Over::mean,
                           [&](const Change& change) { return distance_of(relevance, change.map, options.distance); });
  });
}

}  // namespace vitrail
