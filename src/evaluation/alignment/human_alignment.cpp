#include <vitrail/human_alignment.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include <cmath>
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
                    const std::function<MetricScore(const Tensor&, const Tensor&)>& agreement) {
  const std::string broken = describe_non_finite_map(map.human_map);
  if (!broken.empty()) return undefined_score("of people, " + broken);
  const Tensor relevance = abs ? map.map.abs() : map.map;
  if (is_constant(relevance)) return undefined_score(kConstantMap);
  if (is_constant(map.human_map)) return undefined_score("the map of people is constant: it orders no pixels");
  return agreement(relevance, map.human_map);
}

/// [h,w]: minus four times the squared distance from the middle, in pixels. Whole numbers: equal distances are ties.
Tensor nearness(int64_t height, int64_t width) {
  const auto squares = [](int64_t n) { return (2 * at::arange(n, at::kLong) - (n - 1)).square(); };
  return -(squares(height).unsqueeze(1) + squares(width));
}

/// Of the ranks of both maps, without what each has in common with the centre's.
MetricScore compare_beside_centre(const Tensor& relevance, const Tensor& people) {
  constexpr double kNothingLeft = 1e-9;
  const Tensor centre = nearness(people.size(0), people.size(1));
  const double of_map = map_correlation(relevance, centre), of_people = map_correlation(people, centre);
  if (std::isnan(of_map)) return undefined_score("all pixels are equally far from the middle: there is no centre");
  if (1 - of_map * of_map < kNothingLeft)
    return undefined_score("the map orders pixels by their distance from the middle");
  if (1 - of_people * of_people < kNothingLeft)
    return undefined_score("the map of people orders pixels by their distance from the middle");
  const double both = map_correlation(relevance, people);
  return {.value = (both - of_map * of_people) / std::sqrt((1 - of_map * of_map) * (1 - of_people * of_people)),
          .parts = {{"spearman", both}, {"map_centre", of_map}, {"people_centre", of_people}}};
}

/// `agreement` of the regions above a percentile.
MetricScore compare_regions(const MetricCase& map, const HumanIouOptions& options,
                            double (&agreement)(const Tensor&, const Tensor&)) {
  return compare(map, options.abs, [&](const Tensor& a, const Tensor& b) {
    return MetricScore{.value =
                           agreement(above_percentile(a, options.percentile), above_percentile(b, options.percentile))};
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

const MetricDefinition<HumanPartialSpearmanOptions>& partial_spearman_definition() {
  static const MetricDefinition<HumanPartialSpearmanOptions> definition(
      describe(
          "human_partial_spearman",
          "Rank correlation of the map and where people look, beyond what both share with the middle of the photo.",
          "(r_mp - r_mc r_pc) / sqrt((1 - r_mc^2) (1 - r_pc^2)),  r: Spearman of map, people, centre", "-1 to 1"),
      OptionTable<HumanPartialSpearmanOptions>({abs_row<HumanPartialSpearmanOptions>()}), human_partial_spearman);
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
const MetricEntry& human_partial_spearman_metric() { return partial_spearman_definition(); }
const MetricEntry& human_iou_metric() { return iou_definition(); }
const MetricEntry& human_dice_metric() { return dice_definition(); }

MetricScore human_spearman(const MetricCase& map, const HumanSpearmanOptions& options) {
  return spearman_definition().run(map, options, [&] {
    return compare(map, options.abs,
                   [](const Tensor& a, const Tensor& b) { return MetricScore{.value = map_correlation(a, b)}; });
  });
}

MetricScore human_partial_spearman(const MetricCase& map, const HumanPartialSpearmanOptions& options) {
  return partial_spearman_definition().run(map, options,
                                           [&] { return compare(map, options.abs, compare_beside_centre); });
}

MetricScore human_iou(const MetricCase& map, const HumanIouOptions& options) {
  return iou_definition().run(map, options, [&] { return compare_regions(map, options, iou_of); });
}

MetricScore human_dice(const MetricCase& map, const HumanDiceOptions& options) {
  return dice_definition().run(map, options, [&] { return compare_regions(map, options, dice_of); });
}

}  // namespace vitrail
