#include "model/probe.h"

#include <ATen/core/grad_mode.h>

#include "model/bias_terms.h"
#include "model/layout.h"
#include "model/local.h"
#include "model/suffix.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

SpatialLayer spatial_layer(const Model& model, const std::string& name) {
  const std::string value = model.graph().resolve(name);
  std::string known;
  for (const SpatialLayer& candidate : find_spatial_layers(model.graph(), model.input_value(), model.output_values())) {
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

std::unique_ptr<LocalScorer> ModelProbe::local(const std::vector<ImagePatch>& rectangles, int64_t batch) const {
  return ModelLocalScorer::make(model_, targets_, rectangles, batch);
}

Tensor ModelProbe::pixel(double value, int64_t) const { return pixel_in_input_space(value, model_.preprocess()); }

Tensor ModelProbe::prepare(const std::filesystem::path& photo) const {
  return model_.prepare(read_image(photo)).input[0];
}

std::vector<std::string> ModelProbe::gradient_warnings() const {
  return model_.non_differentiable(model_.input_value());
}

std::vector<LayerInfo> ModelProbe::spatial_layers() const {
  std::vector<LayerInfo> layers;
  for (const SpatialLayer& found : find_spatial_layers(model_.graph(), model_.input_value(), model_.output_values()))
    layers.push_back(found.layer);
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

std::unique_ptr<const Suffix> ModelProbe::suffix(const Tensor& inputs, const std::string& layer) const {
  return suffix_of(model_, targets_, options_, inputs, layer);
}

std::vector<BiasTerm> ModelProbe::bias_terms(const Tensor& input) const {
  return find_bias_terms(model_, targets_, input);
}

}  // namespace vitrail
