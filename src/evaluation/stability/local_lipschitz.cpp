#include <vitrail/local_lipschitz.h>

#include "evaluation/metric_impl.h"
#include "evaluation/stability/neighbours.h"

namespace vitrail {

namespace {

const MetricDefinition<LocalLipschitzOptions>& definition() {
  static const MetricDefinition<LocalLipschitzOptions> definition(
      describe_stability("local_lipschitz", "Largest change of the map per change of the input, near the input.",
                         "max_j ||phi(x) - phi(x_j)||_2 / ||x - x_j||_2", "from 0, in the map's unit per input unit",
                         "Alvarez-Melis and Jaakkola, On the Robustness of Interpretability Methods, 2018"),
      neighbour_rows<LocalLipschitzOptions>(), local_lipschitz);
  return definition;
}

}  // namespace

const MetricEntry& local_lipschitz_metric() { return definition(); }

MetricScore local_lipschitz(const MetricCase& map, const LocalLipschitzOptions& options) {
  return definition().run(map, options, [&] {
    return over_neighbours(map, ball(options), Over::maximum,
                           [&](const Change& change) { return norm_of(change.map) / norm_of(movement(map, change)); });
  });
}

}  // namespace vitrail
