#include "model/probe.h"

#include <ATen/core/grad_mode.h>

#include "model/bias_terms.h"
#include "model/layout.h"
#include "model/local.h"
#include "model/suffix.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// The layout of a layer that leads to the output; UsageError for another.
SpatialLayout layout_of(const Model& model, const std::string& name) {
  const SpatialLayouts& layouts = model.layouts();
  if (const auto layout = layouts.place_of(name)) return *layout;
  std::string known;
  for (const SpatialLayer& candidate : layouts.layers())
    if (known.size() < 200) known += (known.empty() ? "" : ", ") + candidate.layer.name;
  throw UsageError("the layer '" + name + "' has shape " + to_string(model.graph().value(name).shape) +
                   " and keeps no positions of the photo, or does not lead to the output. Layers that do: " +
                   (known.empty() ? "none" : known) + ".");
}

}  // namespace

Tensor ModelProbe::score(const Tensor& inputs) const {
  return model_.plan() ? target_scores(model_.plan_outputs(inputs), targets_) : differentiable_score(inputs);
}

Tensor ModelProbe::differentiable_score(const Tensor& inputs) const {
  const bool by_plan = model_.plan() && options_.backward_rule == BackwardRule::plain;
  return target_scores(by_plan ? model_.recorded_outputs(inputs) : model_.outputs(inputs, options_), targets_);
}

int64_t ModelProbe::gradient_batch() const { return model_.plan() ? model_.plan()->gradient_chunk() : 0; }

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
  for (const SpatialLayer& found : model_.layouts().layers()) {
    LayerInfo& layer = layers.emplace_back(found.layer);
    layer.channels = found.layout.channels;
    layer.height = found.layout.height;
    layer.width = found.layout.width;
  }
  return layers;
}

Tensor ModelProbe::activation(const Tensor& inputs, const std::string& layer) const {
  const SpatialLayout layout = layout_of(model_, layer);
  const Tensor value = model_.graph().run({{model_.input_value(), model_.to_layout(inputs)}}, {layer}, options_)[0];
  return to_planes(value, layout).cpu();
}

Tensor ModelProbe::score_from(const Tensor& inputs, const std::string& layer, const Tensor& activation) const {
  const SpatialLayout layout = layout_of(model_, layer);
  Tensor original;
  if (layout.has_others) {
    at::NoGradGuard no_grad;
    original = model_.graph().run({{model_.input_value(), model_.to_layout(inputs)}}, {layer}, options_)[0].cpu();
  }
  const Tensor value = from_planes(activation, layout, original);
  return target_scores(model_.outputs_from(inputs, layer, value, options_), targets_);
}

std::vector<std::string> ModelProbe::not_affine_behind(const std::string& layer) const {
  return model_.layouts().not_affine_behind(layer);
}

std::unique_ptr<const Suffix> ModelProbe::suffix(const Tensor& inputs, const std::string& layer) const {
  return suffix_of(model_, targets_, options_, inputs, layer);
}

std::vector<BiasTerm> ModelProbe::bias_terms(const Tensor& input) const {
  return find_bias_terms(model_, targets_, input);
}

}  // namespace vitrail
