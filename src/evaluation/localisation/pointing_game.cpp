#include <vitrail/pointing_game.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/nonzero.h>

#include "evaluation/localisation/region.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

MetricScore point(const Region& region, const PointingGameOptions& options) {
  if (is_constant(region.relevance)) return undefined_score(kConstantMap);
  const Tensor first = pixel_ranks(region.relevance, options.ties, options.seed).eq(0).nonzero();  // [1,2]
  const Tensor squares = (region.truth.nonzero() - first).square().sum(1);
  return {.value = squares.min().item<int64_t>() <= options.tolerance * options.tolerance ? 1.0 : 0.0};
}

OptionTable<PointingGameOptions> options_table() {
  using Options = PointingGameOptions;
  std::vector<Option<Options>> rows = order_rows<Options>();
  rows.push_back(abs_row<Options>());
  rows.push_back(option("tolerance", &Options::tolerance, "pixels that the first one may lie beside the region",
                        between(0, 1 << 20)));
  return rows;
}

const MetricDefinition<PointingGameOptions>& definition() {
  static const MetricDefinition<PointingGameOptions> definition(
      {.name = "pointing_game",
       .family = "localisation",
       .aliases = {"pointing"},
       .summary = "Whether the pixel that the map ranks first is in the region of the target.",
       .formula = "1 where argmax phi lies within `tolerance` pixels of T, else 0",
       .direction = Direction::higher,
       .evidence = Evidence::truth,
       .range = "0 or 1",
       .cost = "0",
       .source = "Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016"},
      options_table(), pointing_game);
  return definition;
}

}  // namespace

const MetricEntry& pointing_game_metric() { return definition(); }

MetricScore pointing_game(const MetricCase& map, const PointingGameOptions& options) {
  return definition().run(map, options, [&] {
    return localise(map, options.abs, [&](const Region& region) { return point(region, options); });
  });
}

}  // namespace vitrail
