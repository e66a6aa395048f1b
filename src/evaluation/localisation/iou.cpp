#include <vitrail/iou.h>

#include "evaluation/localisation/region.h"
#include "evaluation/metric_impl.h"
#include "evaluation/overlap.h"

namespace vitrail {

namespace {

using Agreement = double(const Tensor&, const Tensor&);

MetricScore compare(const MetricCase& map, const IouOptions& options, Agreement& agreement) {
  return localise(map, options.abs, [&](const Region& region) {
    if (is_constant(region.relevance)) return undefined_score(kConstantMap);
    const Tensor selected = above_percentile(region.relevance, options.percentile);
    MetricScore score{.value = agreement(selected, region.truth)};
    score.parts["selected"] = selected.to(at::kDouble).mean().item<double>();
    return score;
  });
}

OptionTable<IouOptions> options_table() {
  return OptionTable<IouOptions>({option("percentile", &IouOptions::percentile,
                                         "of the map's values; what lies above is compared", between(0, 100)),
                                  abs_row<IouOptions>()});
}

const MetricDefinition<IouOptions>& iou_definition() {
  static const MetricDefinition<IouOptions> definition(
      {.name = "iou",
       .family = "localisation",
       .summary = "Intersection over union of the map's highest values and the region of the target.",
       .formula = "#(A and T) / #(A or T),  A = pixels above the percentile of phi",
       .direction = Direction::higher,
       .evidence = Evidence::truth,
       .range = "0 to 1",
       .cost = "0",
       .source = "Jaccard 1912"},
      options_table(), iou);
  return definition;
}

const MetricDefinition<DiceOptions>& dice_definition() {
  static const MetricDefinition<DiceOptions> definition(
      {.name = "dice",
       .family = "localisation",
       .summary = "Dice coefficient of the map's highest values and the region of the target.",
       .formula = "2 #(A and T) / (#A + #T),  A = pixels above the percentile of phi",
       .direction = Direction::higher,
       .evidence = Evidence::truth,
       .range = "0 to 1",
       .cost = "0",
       .source = "Dice 1945"},
      options_table(), dice);
  return definition;
}

}  // namespace

const MetricEntry& iou_metric() { return iou_definition(); }
const MetricEntry& dice_metric() { return dice_definition(); }

MetricScore iou(const MetricCase& map, const IouOptions& options) {
  return iou_definition().run(map, options, [&] { return compare(map, options, iou_of); });
}

MetricScore dice(const MetricCase& map, const DiceOptions& options) {
  return dice_definition().run(map, options, [&] { return compare(map, options, dice_of); });
}

}  // namespace vitrail
