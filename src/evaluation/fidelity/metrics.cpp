#include "evaluation/metric_impl.h"

namespace vitrail {

const MetricEntry& deletion_metric();
const MetricEntry& insertion_metric();
const MetricEntry& mu_fidelity_metric();
const MetricEntry& faithfulness_correlation_metric();
const MetricEntry& sensitivity_n_metric();
const MetricEntry& infidelity_metric();
const MetricEntry& road_metric();
const MetricEntry& sic_metric();
const MetricEntry& aic_metric();
const MetricEntry& region_perturbation_metric();
const MetricEntry& selectivity_metric();
const MetricEntry& irof_metric();
const MetricEntry& monotonicity_metric();
const MetricEntry& average_drop_metric();
const MetricEntry& increase_metric();
const MetricEntry& average_gain_metric();

MetricList fidelity_metrics() {
  return {
      &deletion_metric(),      &insertion_metric(),           &mu_fidelity_metric(), &faithfulness_correlation_metric(),
      &sensitivity_n_metric(), &infidelity_metric(),          &road_metric(),        &sic_metric(),
      &aic_metric(),           &region_perturbation_metric(), &selectivity_metric(), &irof_metric(),
      &monotonicity_metric(),  &average_drop_metric(),        &increase_metric(),    &average_gain_metric()};
}

}  // namespace vitrail
