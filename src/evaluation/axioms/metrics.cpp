#include "evaluation/metric_impl.h"

namespace vitrail {

const MetricEntry& completeness_gap_metric();
const MetricEntry& non_sensitivity_metric();
const MetricEntry& input_invariance_metric();

MetricList axiom_metrics() {
  return {&completeness_gap_metric(), &non_sensitivity_metric(), &input_invariance_metric()};
}

}  // namespace vitrail
