#include <vitrail/deletion.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>

#include <vector>

#include "attribution/perturbation/fill.h"
#include "attribution/perturbation/shared_options.h"
#include "evaluation/case_run.h"
#include "evaluation/metric_impl.h"
#include "evaluation/pixel_order.h"

namespace vitrail {

namespace {

/// The score along the way. `deletes`: the first pixels are hidden, else they are all that shows.
MetricScore walk(const MetricCase& map, const DeletionOptions& options, bool deletes) {
  if (is_constant(map.map)) return undefined_score(kConstantMap);
  CaseRun run(map, options.activation);
  const Fill fill(options.baseline, map.input, run.scorer());
  const Tensor ranks =
      pixel_ranks(options.lerf ? -map.map : map.map, options.ties, options.seed).view({1, 1, map.map.size(0), -1});
  const Tensor sizes = prefix_sizes(map.map.numel(), options.steps, options.share);
  MetricScore score;
  score.curve_y = run.score(sizes.numel(), [&](int64_t first, int64_t n) {
    const Tensor chosen = ranks < sizes.narrow(0, first, n).view({n, 1, 1, 1});
    const Tensor shown = deletes ? chosen.logical_not() : chosen;
    const std::vector<int64_t> points(static_cast<size_t>(n), 0);
    return at::where(shown, map.input.unsqueeze(0), fill.values(shown.to(map.input.dtype()), points));
  });
  score.curve_x = sizes.to(at::kDouble) / static_cast<double>(map.map.numel());
  if (options.normalise) {
    const double base = run.base();
    if (!(base > 0)) return undefined_score("the score of the input is not positive: nothing can be a share of it");
    score.curve_y = score.curve_y / base;
  }
  score.value = mean_height(score.curve_y);
  score.forwards = run.forwards();
  return score;
}

OptionTable<DeletionOptions> options_table(const std::string& done) {
  using Options = DeletionOptions;
  return OptionTable<Options>({
      option("steps", &Options::steps, "points of the curve less one; -1: a step a pixel",
             {[](double steps) { return steps == -1 || steps >= 1; }, "at least 1, or -1 for every pixel."}),
      option("share", &Options::share, "share of the pixels that is " + done + " at the end", between(0.001, 1)),
      option("baseline", &Options::baseline, baseline_words),
      activation_row(&Options::activation),
      option("normalise", &Options::normalise, "scores are divided by that of the input"),
      option("lerf", &Options::lerf, "the least relevant pixels first: the direction turns round"),
      choice("ties", &Options::ties, "order of equal values", {{"index", Ties::index}, {"random", Ties::random}}),
      option("seed", &Options::seed, "seed of ties=random"),
  });
}

const MetricDefinition<DeletionOptions>& deletion_definition() {
  static const MetricDefinition<DeletionOptions> definition(
      {.name = "deletion",
       .family = "fidelity",
       .summary = "Hides the most important pixels first and takes the area under the score.",
       .formula = "sum_t (s_t + s_t+1) / 2 / steps,  s_t = g(x with the first k_t pixels hidden)",
       .direction = Direction::lower,
       .evidence = Evidence::scores,
       .range = "that of the score",
       .curve = "share of the pixels that is hidden",
       .cost = "steps + 1",
       .source = "Petsiuk, Das, Saenko, RISE, BMVC 2018"},
      options_table("hidden"), deletion,
      [](const DeletionOptions& options) { return options.lerf ? Direction::higher : Direction::lower; });
  return definition;
}

const MetricDefinition<InsertionOptions>& insertion_definition() {
  static const MetricDefinition<InsertionOptions> definition(
      {.name = "insertion",
       .family = "fidelity",
       .summary = "Shows the most important pixels first and takes the area under the score.",
       .formula = "sum_t (s_t + s_t+1) / 2 / steps,  s_t = g(baseline with the first k_t pixels of x)",
       .direction = Direction::higher,
       .evidence = Evidence::scores,
       .range = "that of the score",
       .curve = "share of the pixels that is shown",
       .cost = "steps + 1",
       .source = "Petsiuk, Das, Saenko, RISE, BMVC 2018"},
      options_table("shown"), insertion,
      [](const InsertionOptions& options) { return options.lerf ? Direction::lower : Direction::higher; });
  return definition;
}

}  // namespace

const MetricEntry& deletion_metric() { return deletion_definition(); }
const MetricEntry& insertion_metric() { return insertion_definition(); }

MetricScore deletion(const MetricCase& map, const DeletionOptions& options) {
  return deletion_definition().run(map, options, [&] { return walk(map, options, true); });
}

MetricScore insertion(const MetricCase& map, const InsertionOptions& options) {
  return insertion_definition().run(map, options, [&] { return walk(map, options, false); });
}

}  // namespace vitrail
