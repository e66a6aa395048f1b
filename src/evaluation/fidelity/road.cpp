#include <vitrail/road.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <vector>

#include "attribution/maps.h"
#include "attribution/perturbation/imputation.h"
#include "evaluation/case_run.h"
#include "evaluation/metric_impl.h"
#include "evaluation/pixel_order.h"

namespace vitrail {

namespace {

double share_of(int64_t step, const RoadOptions& options) {
  return static_cast<double>(step + 1) / static_cast<double>(options.steps + 1);
}

/// Scores with more and more of the first pixels of `ranks` removed.
Tensor remove(CaseRun& run, const MetricCase& map, const Tensor& ranks, const RoadOptions& options) {
  const double noise = options.noise * range_of(map.input);
  return run.score(options.steps, [&](int64_t first, int64_t n) {
    Tensors imputed;
    for (int64_t step = first; step < first + n; ++step) {
      const auto removed = static_cast<int64_t>(share_of(step, options) * static_cast<double>(ranks.numel()));
      imputed.push_back(
          impute(map.input, ranks < removed, Neighbours::eight, noise, options.seed, static_cast<uint64_t>(step)));
    }
    return at::stack(imputed);
  });
}

const MetricDefinition<RoadOptions>& definition() {
  using Options = RoadOptions;
  static const MetricDefinition<Options> definition(
      {.name = "road",
       .family = "fidelity",
       .summary = "Replaces pixels by what their neighbours suggest, in the order of the map, and watches the score.",
       .formula = "mean over shares of (s_lerf - s_morf) / 2, s = g(x with that share imputed)",
       .direction = Direction::higher,
       .evidence = Evidence::scores,
       .range = "that of a difference of scores",
       .curve = "share of the pixels that is replaced",
       .cost = "2 steps (combined), steps",
       .source = "Rong, Leemann, Borisov, Kasneci, Kasneci, ICML 2022"},
      OptionTable<Options>(
          {option("steps", &Options::steps, "shares removed, evenly spaced", at_least(1)),
           choice("order", &Options::order, "which pixels are removed first",
                  {{"combined", RemovalOrder::combined}, {"morf", RemovalOrder::morf}, {"lerf", RemovalOrder::lerf}}),
           option("noise", &Options::noise, "standard deviation, as a share of the input's range", between(0, 10)),
           activation_row<Options>(&Options::activation), option("seed", &Options::seed, "of the noise")}),
      road, [](const Options& options) {
        return options.order == RemovalOrder::morf ? Direction::lower : Direction::higher;
      });
  return definition;
}

}  // namespace

const MetricEntry& road_metric() { return definition(); }

MetricScore road(const MetricCase& map, const RoadOptions& options) {
  return definition().run(map, options, [&] {
    if (is_constant(map.map)) return undefined_score(kConstantMap);
    CaseRun run(map, options.activation);
    const Tensor most_first = pixel_ranks(map.map, Ties::index, 0), least_first = pixel_ranks(-map.map, Ties::index, 0);
    MetricScore score;
    if (options.order != RemovalOrder::lerf) score.curve_y = remove(run, map, most_first, options);
    if (options.order != RemovalOrder::morf) {
      const Tensor least = remove(run, map, least_first, options);
      score.curve_y = score.curve_y.defined() ? (least - score.curve_y) / 2 : least;
    }
    std::vector<double> shares;
    for (int64_t step = 0; step < options.steps; ++step) shares.push_back(share_of(step, options));
    score.curve_x = at::tensor(shares, at::kDouble);
    score.value = score.curve_y.mean().item<double>();
    score.forwards = run.forwards();
    return score;
  });
}

}  // namespace vitrail
