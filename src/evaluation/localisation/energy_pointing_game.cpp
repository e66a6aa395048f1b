#include <vitrail/energy_pointing_game.h>

#include <ATen/TensorOperators.h>

#include "evaluation/localisation/region.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

MetricScore share_inside(const Region& region) {
  const Tensor positive = region.relevance.clamp_min(0);
  const double total = positive.sum().item<double>();
  if (!(total > 0)) return undefined_score("the map has no positive relevance, of which a share could lie inside");
  MetricScore score{.value = (positive * region.truth).sum().item<double>() / total};
  score.parts["over_chance"] = score.value / region.covered;
  return score;
}

const MetricDefinition<EnergyPointingGameOptions>& definition() {
  static const MetricDefinition<EnergyPointingGameOptions> definition(
      {.name = "energy_pointing_game",
       .family = "localisation",
       .aliases = {"relevance_mass", "rma", "attribution_localisation", "focus"},
       .summary = "Share of the positive relevance in the region of the target.",
       .formula = "sum over T of max(phi, 0) / sum of max(phi, 0)",
       .direction = Direction::higher,
       .evidence = Evidence::truth,
       .range = "0 to 1",
       .cost = "0",
       .source = "Wang et al., Score-CAM, CVPR workshops 2020; Arias-Duart et al., Focus!, 2022 (mosaics)"},
      OptionTable<EnergyPointingGameOptions>({abs_row<EnergyPointingGameOptions>()}), energy_pointing_game);
  return definition;
}

}  // namespace

const MetricEntry& energy_pointing_game_metric() { return definition(); }

MetricScore energy_pointing_game(const MetricCase& map, const EnergyPointingGameOptions& options) {
  return definition().run(map, options, [&] { return localise(map, options.abs, share_inside); });
}

}  // namespace vitrail
