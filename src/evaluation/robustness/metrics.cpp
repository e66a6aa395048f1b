#include "evaluation/metric_impl.h"

namespace vitrail {

const MetricEntry& robustness_metric();

MetricList robustness_metrics() { return {&robustness_metric()}; }

}  // namespace vitrail
