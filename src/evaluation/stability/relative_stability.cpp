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

double share_of_zeros(const Tensor& values) { return (values == 0).to(at::kDouble).mean().item<double>(); }

/// Relative change of the map divided by `moved`.
template <class Options>
MetricScore largest_ratio(const MetricCase& map, const Options& options,
                          const std::function<double(const Change&)>& moved) {
  const Tensor relevance = map.map.to(at::kDouble);
  MetricScore score = over_neighbours(map, ball(options), Over::maximum, [&](const Change& change) {
    return relative_norm(change.map, relevance, options.epsilon) / std::max(moved(change), options.epsilon);
  });
  score.parts["zeros"] = share_of_zeros(relevance);
  return score;
}

template <class Options>
std::vector<Option<Options>> option_rows(const std::string& moves) {
  std::vector<Option<Options>> rows = neighbour_rows<Options>();
  rows.push_back(
      option("epsilon", &Options::epsilon, "instead of a divisor of 0, and the least change of " + moves, positive()));
  return rows;
}

/// What a layer of the network makes of inputs [C,H,W].
class Representation {
 public:
  Representation(const Scorer& scorer, const std::string& layer) : probe_(dynamic_cast<const Probe*>(&scorer)) {
    if (!probe_)
      throw UsageError("relative_representation_stability looks at a layer, and this scorer has none. Load the model " +
                       std::string("as a graph, or take relative_output_stability."));
    layer_ = layer == "auto" ? last_with_positions() : layer;
  }

  Tensor of(const Tensor& input) const {
    return probe_->suffix(input.unsqueeze(0), layer_)->activation().detach().to(at::kDouble);
  }
  const std::string& layer() const { return layer_; }

 private:
  std::string last_with_positions() const {
    const std::vector<LayerInfo> layers = probe_->spatial_layers();
    if (layers.empty())
      throw UsageError("relative_representation_stability: the network has no layer with positions between input and " +
                       std::string("output. Name one with layer=... (`vitrail inspect` lists them)."));
    return layers[0].name;
  }

  const Probe* probe_;
  std::string layer_;
};

constexpr const char* kSource = "Agarwal et al., Rethinking Stability for Attribution-based Explanations, 2022";

const MetricDefinition<RelativeStabilityOptions>& input_definition() {
  static const MetricDefinition<RelativeStabilityOptions> definition(
      describe_stability("relative_input_stability",
                         "Largest relative change of the map per relative change of the input, near the input.",
                         "max_j ||(phi(x) - phi(x_j)) / phi(x)||_2 / max(||(x - x_j) / x||_2, epsilon)", "from 0",
                         kSource),
      option_rows<RelativeStabilityOptions>("input or output"), relative_input_stability);
  return definition;
}

const MetricDefinition<RelativeStabilityOptions>& output_definition() {
  static const MetricDefinition<RelativeStabilityOptions> definition(
      describe_stability("relative_output_stability",
                         "Largest relative change of the map per change of the score, near the input.",
                         "max_j ||(phi(x) - phi(x_j)) / phi(x)||_2 / max(|g(x) - g(x_j)|, epsilon)",
                         "from 0, per unit of the score", kSource),
      option_rows<RelativeStabilityOptions>("input or output"), relative_output_stability);
  return definition;
}

const MetricDefinition<RelativeRepresentationStabilityOptions>& representation_definition() {
  using Options = RelativeRepresentationStabilityOptions;
  static const MetricDefinition<Options> definition = [] {
    auto rows = option_rows<Options>("the layer");
    rows.push_back(option("layer", &Options::layer,
                          "any value of the network; auto: the one that gradcam takes, the last with positions"));
    MetricInfo info = describe_stability("relative_representation_stability",
                                         "Largest relative change of the map per relative change of a layer's values.",
                                         "max_j ||(phi(x) - phi(x_j)) / phi(x)||_2 / "
                                         "max(||(L(x) - L(x_j)) / L(x)||_2, epsilon)",
                                         "from 0", kSource);
    info.cost = "samples maps, samples + 1 forwards to the layer";
    return MetricDefinition<Options>(std::move(info), std::move(rows), relative_representation_stability);
  }();
  return definition;
}

}  // namespace

const MetricEntry& relative_input_stability_metric() { return input_definition(); }
const MetricEntry& relative_output_stability_metric() { return output_definition(); }
const MetricEntry& relative_representation_stability_metric() { return representation_definition(); }

MetricScore relative_input_stability(const MetricCase& map, const RelativeStabilityOptions& options) {
  return input_definition().run(map, options, [&] {
    const Tensor input = map.input.to(at::kDouble);
    return largest_ratio(map, options, [&](const Change& change) {
      return relative_norm(movement(map, change), input, options.epsilon);
    });
  });
}

MetricScore relative_output_stability(const MetricCase& map, const RelativeStabilityOptions& options) {
  return output_definition().run(map, options, [&] {
    return largest_ratio(map, options, [](const Change& change) { return std::abs(change.score); });
  });
}

MetricScore relative_representation_stability(const MetricCase& map,
                                              const RelativeRepresentationStabilityOptions& options) {
  return representation_definition().run(map, options, [&] {
    const Representation representation(*map.scorer, options.layer);
    const Tensor values = representation.of(map.input);
    MetricScore score = largest_ratio(map, options, [&](const Change& change) {
      return relative_norm(representation.of(change.neighbour) - values, values, options.epsilon);
    });
    score.parts["layer_zeros"] = share_of_zeros(values);
    score.parts["layer " + representation.layer()] = static_cast<double>(values.numel());
    score.forwards += options.samples + 1;
    return score;
  });
}

}  // namespace vitrail
