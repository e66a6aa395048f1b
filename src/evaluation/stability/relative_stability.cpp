#include <vitrail/relative_stability.h>

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "evaluation/metric_impl.h"
#include "evaluation/stability/neighbours.h"

namespace vitrail {

namespace {

/// || change / of ||_2, by element; epsilon instead of 0.
double relative_norm(const Tensor& change, const Tensor& of, double epsilon) {
  return norm_of(change / of.masked_fill(of == 0, epsilon));
}

/// Relative change of the map divided by `movement`.
MetricScore largest_ratio(const MetricCase& map, const RelativeStabilityOptions& options,
                          const std::function<double(const Change&)>& movement) {
  const Tensor relevance = map.map.to(at::kDouble);
  MetricScore score = over_neighbours(map, ball(options), Over::maximum, [&](const Change& change) {
    return relative_norm(change.map, relevance, options.epsilon) / std::max(movement(change), options.epsilon);
  });
  score.parts["zeros"] = (relevance == 0).to(at::kDouble).mean().item<double>();
  return score;
}

OptionTable<RelativeStabilityOptions> options_table() {
  using Options = RelativeStabilityOptions;
  std::vector<Option<Options>> rows = neighbour_rows<Options>();
  rows.push_back(option("epsilon", &Options::epsilon,
                        "instead of a divisor of 0, and the least change of input or output", positive()));
  return rows;
}

constexpr const char* kSource = "Agarwal et al., Rethinking Stability for Attribution-based Explanations, 2022";

const MetricDefinition<RelativeStabilityOptions>& input_definition() {
  static const MetricDefinition<RelativeStabilityOptions> definition(
      describe_stability("relative_input_stability",
                         "Largest relative change of the map per relative change of the input, near the input.",
                         "max_j ||(phi(x) - phi(x_j)) / phi(x)||_2 / max(||(x - x_j) / x||_2, epsilon)", "from 0",
                         kSource),
      options_table(), relative_input_stability);
  return definition;
}

const MetricDefinition<RelativeStabilityOptions>& output_definition() {
  static const MetricDefinition<RelativeStabilityOptions> definition(
      describe_stability("relative_output_stability",
                         "Largest relative change of the map per change of the score, near the input.",
                         "max_j ||(phi(x) - phi(x_j)) / phi(x)||_2 / max(|g(x) - g(x_j)|, epsilon)",
                         "from 0, per unit of the score", kSource),
      options_table(), relative_output_stability);
  return definition;
}

}  // namespace

const MetricEntry& relative_input_stability_metric() { return input_definition(); }
const MetricEntry& relative_output_stability_metric() { return output_definition(); }

MetricScore relative_input_stability(const MetricCase& map, const RelativeStabilityOptions& options) {
  return input_definition().run(map, options, [&] {
    const Tensor input = map.input.to(at::kDouble);
    return largest_ratio(map, options,
                         [&](const Change& change) { return relative_norm(change.input, input, options.epsilon); });
  });
}

MetricScore relative_output_stability(const MetricCase& map, const RelativeStabilityOptions& options) {
  return output_definition().run(map, options, [&] {
    return largest_ratio(map, options, [](const Change& change) { return std::abs(change.score); });
  });
}

}  // namespace vitrail
