#include "evaluation/metric_impl.h"

namespace vitrail {

const MetricEntry& model_randomisation_metric();
const MetricEntry& random_logit_metric();

MetricList sanity_metrics() { return {&model_randomisation_metric(), &random_logit_metric()}; }

}  // namespace vitrail
