#include "model/probe.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <optional>
#include <span>

#include "model/layout.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// The layout of a layer that leads to the output; UsageError for another.
SpatialLayout layout_of(const Model& model, const std::string& name) {
  const SpatialLayouts& layouts = model.layouts();
  const auto layout = layouts.of(name);
  if (layout && layout->height * layout->width > 1 && layouts.leads(name) &&
      model.graph().resolve(name) != model.logits_value())
    return *layout;
  std::string known;
  for (const SpatialLayer& candidate : layouts.layers())
    if (known.size() < 200) known += (known.empty() ? "" : ", ") + candidate.layer.name;
  throw UsageError("the layer '" + name + "' has shape " + to_string(model.graph().value(name).shape) +
                   " and keeps no positions of the photo, or does not lead to the output. Layers that do: " +
                   (known.empty() ? "none" : known) + ".");
}

/// Values from before a layer that the nodes behind it use: shortcuts around it.
std::vector<std::string> side_values(const Graph& graph, const std::string& layer, const std::string& output) {
  const Graph::Impl& impl = graph.impl();
  std::vector<char> fed(impl.values.size(), 0), behind(impl.values.size(), 0), listed(impl.values.size(), 0);
  const int from = impl.find(layer);
  fed[static_cast<size_t>(from)] = behind[static_cast<size_t>(from)] = 1;
  for (const ValueInfo& input : impl.inputs) fed[static_cast<size_t>(impl.find(input.name))] = 1;
  std::vector<std::string> sides;
  for (const int n : impl.needed_nodes(fed, {impl.find(output)})) {
    const Graph::Impl::Node& node = impl.nodes[static_cast<size_t>(n)];
    const auto is_behind = [&](int id) { return id != Graph::Impl::kAbsent && behind[static_cast<size_t>(id)] != 0; };
    if (std::none_of(node.inputs.begin(), node.inputs.end(), is_behind)) continue;
    for (const int id : node.outputs)
      if (id != Graph::Impl::kAbsent) behind[static_cast<size_t>(id)] = 1;
    for (const int id : node.inputs) {
      if (id == Graph::Impl::kAbsent || is_behind(id) || listed[static_cast<size_t>(id)]) continue;
      if (!impl.values[static_cast<size_t>(id)].traced.depends_on_input) continue;
      listed[static_cast<size_t>(id)] = 1;
      sides.push_back(impl.values[static_cast<size_t>(id)].name);
    }
  }
  return sides;
}

/// A value of one sample, for n equal samples; empty where its samples are not one dimension.
std::optional<Tensor> repeated(const Tensor& value, const ValueInfo& info, bool generalises, int64_t n) {
  std::vector<int64_t> sizes(static_cast<size_t>(value.dim()), -1);
  if (n == 1) return value;
  if (!generalises) return at::cat(Tensors(static_cast<size_t>(n), value), 0);
  for (size_t i = 0; i < info.shape.size(); ++i) {
    if (info.shape[i].per_batch == 0) continue;
    if (info.shape[i] != Dim{.fixed = 0, .per_batch = 1}) return std::nullopt;
    sizes[i] = n;
  }
  return value.expand(sizes);
}

class ModelSuffix : public Suffix {
 public:
  ModelSuffix(const Model& model, std::span<const Target> targets, const RunOptions& options, const Tensor& inputs,
              const std::string& layer)
      : model_(model),
        targets_(targets.begin(), targets.end()),
        options_(options),
        layout_(layout_of(model, layer)),
        inputs_(inputs),
        names_(side_values(model.graph(), layer, model.logits_value())) {
    const at::NoGradGuard no_grad;
    names_.insert(names_.begin(), model.graph().resolve(layer));
    values_ = run_prefix(inputs);
    activation_ = to_planes(values_[0], layout_).cpu();
  }

  const Tensor& activation() const override { return activation_; }

  Tensor score(const Tensor& activations) const override {
    const int64_t n = activations.size(0);
    const Tensors before = values_for(n);
    const Tensor value = from_planes(activations.to(before[0].device()), layout_, before[0]);
    Feeds feeds = {{names_[0], value}};
    for (size_t i = 1; i < names_.size(); ++i) feeds.emplace_back(names_[i], before[i]);
    return target_scores(model_.logits_from(feeds, n, options_), targets_);
  }

 private:
  Tensors run_prefix(const Tensor& inputs) const {
    return model_.graph().run({{model_.input_value(), model_.to_layout(inputs)}}, names_, options_);
  }

  /// What the inputs left before the layer, for n samples.
  Tensors values_for(int64_t n) const {
    if (n == inputs_.size(0)) return values_;
    VITRAIL_CHECK(inputs_.size(0) == 1, "values of a layer for another number of inputs");
    Tensors result;
    for (size_t i = 0; i < names_.size(); ++i) {
      if (i == 0 && !layout_.has_others) {
        result.push_back(values_[0]);  // not looked at
        continue;
      }
      auto value = repeated(values_[i], model_.graph().value(names_[i]), model_.graph().batch().generalises, n);
      if (!value) {
        const at::NoGradGuard no_grad;
        return run_prefix(inputs_.expand({n, -1, -1, -1}));
      }
      result.push_back(*value);
    }
    return result;
  }

  const Model model_;  ///< shares the graph
  const std::vector<Target> targets_;
  const RunOptions options_;
  const SpatialLayout layout_;
  const Tensor inputs_;
  std::vector<std::string> names_;  ///< the layer, then values around it
  Tensors values_;
  Tensor activation_;
};

}  // namespace

Tensor ModelProbe::score(const Tensor& inputs) const {
  return model_.plan() ? target_scores(model_.plan_logits(inputs), targets_) : differentiable_score(inputs);
}

Tensor ModelProbe::differentiable_score(const Tensor& inputs) const {
  return target_scores(model_.logits(inputs, options_), targets_);
}

Tensor ModelProbe::score_with_rule(const Tensor& inputs, BackwardRule rule) const {
  RunOptions options = options_;
  options.backward_rule = rule;
  return target_scores(model_.logits(inputs, options), targets_);
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
  return model_.graph().non_differentiable(model_.input_value(), model_.logits_value());
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
  return target_scores(model_.logits_from(inputs, layer, value, options_), targets_);
}

std::unique_ptr<const Suffix> ModelProbe::suffix(const Tensor& inputs, const std::string& layer) const {
  return std::make_unique<ModelSuffix>(model_, targets_, options_, inputs, layer);
}

std::vector<std::string> ModelProbe::not_affine_behind(const std::string& layer) const {
  return model_.layouts().not_affine_behind(layer);
}

}  // namespace vitrail
