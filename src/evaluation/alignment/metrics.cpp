#include "evaluation/metric_impl.h"

namespace vitrail {

const MetricEntry& human_spearman_metric();
const MetricEntry& human_partial_spearman_metric();
const MetricEntry& human_iou_metric();
const MetricEntry& human_dice_metric();

MetricList alignment_metrics() {
  return {&human_spearman_metric(), &human_partial_spearman_metric(), &human_iou_metric(), &human_dice_metric()};
}

}  // namespace vitrail
