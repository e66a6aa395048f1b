#include "evaluation/metric_impl.h"

namespace vitrail {

const MetricEntry& pointing_game_metric();
const MetricEntry& energy_pointing_game_metric();
const MetricEntry& relevance_rank_metric();
const MetricEntry& top_k_metric();
const MetricEntry& auc_metric();
const MetricEntry& iou_metric();
const MetricEntry& dice_metric();

MetricList localisation_metrics() {
  return {&pointing_game_metric(),
          &energy_pointing_game_metric(),
          &relevance_rank_metric(),
          &top_k_metric(),
          &auc_metric(),
          &iou_metric(),
          &dice_metric()};
}

}  // namespace vitrail
