#include "model/probe.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>

#include "model/layout.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// Of a model with several outputs, the layers that most of them come from first.
std::vector<SpatialLayer> layers_of(const Model& model) {
  std::vector<SpatialLayer> layers;
  std::map<std::string, int> uses;
  for (const std::string& output : model.output_values())
    for (SpatialLayer& found : find_spatial_layers(model.graph(), model.input_value(), output))
      if (++uses[found.layer.value] == 1) layers.push_back(std::move(found));
  std::stable_sort(layers.begin(), layers.end(), [&](const SpatialLayer& a, const SpatialLayer& b) {
    return uses[a.layer.value] > uses[b.layer.value];
  });
  return layers;
}

SpatialLayer spatial_layer(const Model& model, const std::string& name) {
  const std::string value = model.graph().resolve(name);
  std::string known;
  for (const SpatialLayer& candidate : layers_of(model)) {
    if (candidate.layer.value == value) return candidate;
    if (known.size() < 200) known += (known.empty() ? "" : ", ") + candidate.layer.name;
  }
  const ValueInfo info = model.graph().value(value);
  throw UsageError("the layer '" + name + "' has shape " + to_string(info.shape) +
                   " and keeps no positions of the photo, or does not lead to the output. Layers that do: " +
                   (known.empty() ? "none" : known) + ".");
}

}  // namespace

Tensor ModelProbe::score(const Tensor& inputs) const {
  return model_.plan() ? target_scores(model_.plan_outputs(inputs), targets_) : differentiable_score(inputs);
}

Tensor ModelProbe::differentiable_score(const Tensor& inputs) const {
  return target_scores(model_.outputs(inputs, options_), targets_);
}

Tensor ModelProbe::score_with_rule(const Tensor& inputs, BackwardRule rule) const {
  RunOptions options = options_;
  options.backward_rule = rule;
  return target_scores(model_.outputs(inputs, options), targets_);
}

std::map<std::string, std::string> ModelProbe::engine() const {
  if (model_.plan()) return model_.plan()->record();
  return {{"engine", "plain"}};
}

Tensor ModelProbe::pixel(double value, int64_t) const { return pixel_in_input_space(value, model_.preprocess()); }

Tensor ModelProbe::prepare(const std::filesystem::path& photo) const {
  return model_.prepare(read_image(photo)).input[0];
}

std::vector<std::string> ModelProbe::gradient_warnings() const {
  std::vector<std::string> nodes;
  for (const std::string& output : model_.output_values())
    for (const std::string& node : model_.graph().non_differentiable(model_.input_value(), output))
      if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
  return nodes;
}

std::vector<LayerInfo> ModelProbe::spatial_layers() const {
  std::vector<LayerInfo> layers;
  for (const SpatialLayer& found : layers_of(model_)) layers.push_back(found.layer);
  return layers;
}

Tensor ModelProbe::activation(const Tensor& inputs, const std::string& layer) const {
  const SpatialLayer found = spatial_layer(model_, layer);
  Tensor value =
      model_.graph().run({{model_.input_value(), model_.to_layout(inputs)}}, {found.layer.value}, options_)[0];
  return to_planes(value, found.layout).cpu();
}

Tensor ModelProbe::score_from(const Tensor& inputs, const std::string& layer, const Tensor& activation) const {
  const SpatialLayer found = spatial_layer(model_, layer);
  Tensor original;
  if (found.layout.extra_tokens > 0) {
    at::NoGradGuard no_grad;
    original =
        model_.graph().run({{model_.input_value(), model_.to_layout(inputs)}}, {found.layer.value}, options_)[0].cpu();
  }
  Tensor value = from_planes(activation, found.layout, original);
  return target_scores(model_.outputs_from(inputs, found.layer.value, value, options_), targets_);
}

}  // namespace vitrail
