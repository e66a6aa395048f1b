#include "evaluation/metric_impl.h"

namespace vitrail {

const MetricEntry& deletion_metric();
const MetricEntry& insertion_metric();

MetricList fidelity_metrics() { return {&deletion_metric(), &insertion_metric()}; }

}  // namespace vitrail
