#include <vitrail/average_drop.h>

#include <ATen/TensorOperators.h>

#include <algorithm>

#include "evaluation/case_run.h"
#include "evaluation/metric_impl.h"
#include "evaluation/pixel_order.h"

namespace vitrail {

namespace {

/// `value(before, after)` of the scores of the photo and of its product with the map.
template <class Value>
MetricScore of_masked(const MetricCase& map, Activation activation, const Value& value) {
  const Tensor size = map.map.abs();
  if (is_constant(size)) return undefined_score(kConstantMap);
  CaseRun run(map, activation);
  const double before = run.base();
  if (!(before > 0)) return undefined_score("the score of the photo is not positive: nothing can be a share of it");
  const Tensor mask = (size - size.min()) / (size.max() - size.min());
  Tensor masked = (map.input * mask.to(map.input.dtype())).unsqueeze(0);
  const Tensor scores = run.score(1, [&](int64_t, int64_t) { return masked; });
  const double after = scores.item<double>();
  MetricScore score = value(before, after);
  score.forwards = run.forwards();
  score.parts = {{"before", before}, {"after", after}};
  return score;
}

MetricInfo describe_metric(MetricInfo info) {
  info.family = "fidelity";
  info.evidence = Evidence::scores;
  info.range = "0 to 1";
  info.cost = "2";
  return info;
}

OptionTable<AverageDropOptions> options_table() {
  return OptionTable<AverageDropOptions>({activation_row<AverageDropOptions>(&AverageDropOptions::activation)});
}

const MetricDefinition<AverageDropOptions>& drop_definition() {
  static const MetricDefinition<AverageDropOptions> definition(
      describe_metric({.name = "average_drop",
                       .summary = "How much of the score is lost when the photo is multiplied with the map.",
                       .formula = "max(0, g(x) - g(x M)) / g(x), M = |phi| brought to 0 .. 1",
                       .direction = Direction::lower,
                       .source = "Chattopadhyay, Sarkar, Howlader, Balasubramanian, WACV 2018"}),
      options_table(), average_drop);
  return definition;
}

const MetricDefinition<IncreaseOptions>& increase_definition() {
  static const MetricDefinition<IncreaseOptions> definition(
      describe_metric({.name = "increase",
                       .summary = "Whether the score rises when the photo is multiplied with the map.",
                       .formula = "[g(x M) > g(x)], M = |phi| brought to 0 .. 1",
                       .direction = Direction::higher,
                       .source = "Chattopadhyay, Sarkar, Howlader, Balasubramanian, WACV 2018"}),
      options_table(), increase);
  return definition;
}

const MetricDefinition<AverageGainOptions>& gain_definition() {
  static const MetricDefinition<AverageGainOptions> definition(
      describe_metric(
          {.name = "average_gain",
           .summary = "How much of what the score lacks to 1 is won when the photo is multiplied with the map.",
           .formula = "max(0, g(x M) - g(x)) / (1 - g(x)), M = |phi| brought to 0 .. 1",
           .direction = Direction::higher,
           .source = "Zhang, Torres, Sicre, Avrithis, Ayache, Opti-CAM, 2023"}),
      options_table(), average_gain);
  return definition;
}

}  // namespace

const MetricEntry& average_drop_metric() { return drop_definition(); }
const MetricEntry& increase_metric() { return increase_definition(); }
const MetricEntry& average_gain_metric() { return gain_definition(); }

MetricScore average_drop(const MetricCase& map, const AverageDropOptions& options) {
  return drop_definition().run(map, options, [&] {
    return of_masked(map, options.activation, [](double before, double after) {
      return MetricScore{.value = std::max(0.0, before - after) / before};
    });
  });
}

MetricScore increase(const MetricCase& map, const IncreaseOptions& options) {
  return increase_definition().run(map, options, [&] {
    return of_masked(map, options.activation,
                     [](double before, double after) { return MetricScore{.value = after > before ? 1.0 : 0.0}; });
  });
}

MetricScore average_gain(const MetricCase& map, const AverageGainOptions& options) {
  return gain_definition().run(map, options, [&] {
    return of_masked(map, options.activation, [](double before, double after) {
      if (!(before < 1)) return undefined_score("the score of the photo is not below 1: there is nothing to gain");
      return MetricScore{.value = std::max(0.0, after - before) / (1 - before)};
    });
  });
}

}  // namespace vitrail
