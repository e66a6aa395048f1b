#include "evaluation/metric_impl.h"

namespace vitrail {

const MetricEntry& average_stability_metric();
const MetricEntry& max_sensitivity_metric();
const MetricEntry& average_sensitivity_metric();
const MetricEntry& local_lipschitz_metric();
const MetricEntry& relative_input_stability_metric();
const MetricEntry& relative_output_stability_metric();
const MetricEntry& relative_representation_stability_metric();

MetricList stability_metrics() {
  return {&average_stability_metric(),
          &max_sensitivity_metric(),
          &average_sensitivity_metric(),
          &local_lipschitz_metric(),
          &relative_input_stability_metric(),
          &relative_output_stability_metric(),
          &relative_representation_stability_metric()};
}

}  // namespace vitrail
