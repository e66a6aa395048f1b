#include <vitrail/human_alignment.h>

#include <ATen/TensorOperators.h>

#include <functional>
#include <string>
#include <utility>

#include "evaluation/abs_row.h"
#include "evaluation/map_correlation.h"
#include "evaluation/metric_impl.h"
#include "evaluation/overlap.h"
#include "evaluation/pixel_order.h"

namespace vitrail {

namespace {

/// `agreement(phi or |phi|, human map)`, where both order their pixels.
MetricScore compare(const MetricCase& map, bool abs,
                    const std::function<double(const Tensor&, const Tensor&)>& agreement) {
  const std::string broken = describe_non_finite_map(map.human_map);
  if (!broken.empty()) return undefined_score("of people, " + broken);
  const Tensor relevance = abs ? map.map.abs() : map.map;
  if (is_constant(relevance)) return undefined_score(kConstantMap);
  if (is_constant(map.human_map)) return undefined_score("the map of people is constant: it orders no pixels");
  return {.value = agreement(relevance, map.human_map)};
}

/// `agreement` of the regions above a percentile.
MetricScore compare_regions(const MetricCase& map, const HumanIouOptions& options,
                            double (&agreement)(const Tensor&, const Tensor&)) {
  return compare(map, options.abs, [&](const Tensor& a, const Tensor& b) {
    return agreement(above_percentile(a, options.percentile), above_percentile(b, options.percentile));
  });
}

OptionTable<HumanIouOptions> region_table() {
  return OptionTable<HumanIouOptions>(
      {option("percentile", &HumanIouOptions::percentile, "of the values of each map; what lies above is compared",
              between(0, 100)),
       abs_row<HumanIouOptions>()});
}

MetricInfo describe(std::string name, std::string summary, std::string formula, std::string range) {
  return {.name = std::move(name),
          .family = "alignment",
          .summary = std::move(summary),
          .formula = std::move(formula),
          .direction = Direction::higher,
          .evidence = Evidence::human_map,
          .range = std::move(range),
          .cost = "0",
          .source = "Fel et al., Harmonizing, NeurIPS 2022"};
}

const MetricDefinition<HumanSpearmanOptions>& spearman_definition() {
  static const MetricDefinition<HumanSpearmanOptions> definition(
      describe("human_spearman", "Rank correlation of the map and where people look.", "Spearman(phi, human map)",
               "-1 to 1"),
      OptionTable<HumanSpearmanOptions>({abs_row<HumanSpearmanOptions>()}), human_spearman);
  return definition;
}

const MetricDefinition<HumanIouOptions>& iou_definition() {
  static const MetricDefinition<HumanIouOptions> definition(
      describe("human_iou", "Intersection over union of the highest values of the map and of where people look.",
               "#(A and B) / #(A or B),  each above the percentile of its map", "0 to 1"),
      region_table(), human_iou);
  return definition;
}

const MetricDefinition<HumanDiceOptions>& dice_definition() {
  static const MetricDefinition<HumanDiceOptions> definition(
      describe("human_dice", "Dice coefficient of the highest values of the map and of where people look.",
               "2 #(A and B) / (#A + #B),  each above the percentile of its map", "0 to 1"),
      region_table(), human_dice);
  return definition;
}

}  // namespace

const MetricEntry& human_spearman_metric() { return spearman_definition(); }
const MetricEntry& human_iou_metric() { return iou_definition(); }
const MetricEntry& human_dice_metric() { return dice_definition(); }

MetricScore human_spearman(const MetricCase& map, const HumanSpearmanOptions& options) {
  return spearman_definition().run(map, options, [&] { return compare(map, options.abs, map_correlation); });
}

MetricScore human_iou(const MetricCase& map, const HumanIouOptions& options) {
  return iou_definition().run(map, options, [&] { return compare_regions(map, options, iou_of); });
}

MetricScore human_dice(const MetricCase& map, const HumanDiceOptions& options) {
  return dice_definition().run(map, options, [&] { return compare_regions(map, options, dice_of); });
}

}  // namespace vitrail
