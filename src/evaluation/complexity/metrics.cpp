#include "evaluation/metric_impl.h"

namespace vitrail {

const MetricEntry& entropy_metric();
const MetricEntry& gini_metric();
const MetricEntry& effective_complexity_metric();
const MetricEntry& compressed_size_metric();

MetricList complexity_metrics() {
  return {&entropy_metric(), &gini_metric(), &effective_complexity_metric(), &compressed_size_metric()};
}

}  // namespace vitrail
