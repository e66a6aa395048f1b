#include "model/suffix.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <optional>

#include "model/layout.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// How a value holds its samples: `rows` of this dimension each, one sample after the other.
struct SampleAxis {
  int64_t axis = 0, rows = 1;

  int64_t samples(const Tensor& value) const { return value.size(axis) / rows; }

  /// One sample's value `samples` times, or what is of so many samples already.
  Tensor repeat(const Tensor& value, int64_t wanted) const {
    if (this->samples(value) == wanted) return value;
    std::vector<int64_t> repeats(static_cast<size_t>(value.dim()), 1);
    repeats[static_cast<size_t>(axis)] = wanted;
    return value.repeat(repeats);
  }
};

/// As SampleAxis::repeat, of a value whose layout is known.
Tensor repeated(const Tensor& value, const SpatialLayout& layout, int64_t wanted) {
  const int64_t axis = layout.batch_axis, rows = layout.sizes[static_cast<size_t>(axis)];
  if (layout.batch_outside) return SampleAxis{axis, rows}.repeat(value, wanted);
  return value.size(axis) == rows * wanted ? value : value.repeat_interleave(wanted, axis);
}

/// None where it is not so simple.
std::optional<SampleAxis> sample_axis(const Graph& graph, const Shape& shape) {
  if (!graph.batch().generalises) {
    if (shape.empty() || shape[0].fixed != 1) return std::nullopt;
    return SampleAxis{};
  }
  const auto follows = [](const Dim& dim) { return dim.per_batch != 0; };
  const auto found = std::find_if(shape.begin(), shape.end(), follows);
  if (std::count_if(shape.begin(), shape.end(), follows) != 1 || found->fixed != 0) return std::nullopt;
  return SampleAxis{found - shape.begin(), found->per_batch};
}

/// Values without a place in the photo as pictures: [N,C,h,w] as it is, [N,T,D] as [N,D,1,T], else rows [N,1,1,...].
Tensor to_picture(const Tensor& value) {
  if (value.dim() == 4) return value;
  if (value.dim() == 3) return value.transpose(1, 2).unsqueeze(2);
  return value.reshape({value.size(0), 1, 1, -1});
}

Tensor from_picture(const Tensor& picture, const Shape& shape) {
  if (shape.size() == 4) return picture;
  if (shape.size() == 3) return picture.squeeze(2).transpose(1, 2);
  std::vector<int64_t> sizes = {picture.size(0)};
  for (size_t i = 1; i < shape.size(); ++i) sizes.push_back(shape[i].fixed);
  return picture.reshape(sizes);
}

class GraphSuffix : public Suffix {
 public:
  GraphSuffix(const Model& model, std::vector<Target> targets, const RunOptions& options, const Tensor& inputs,
              const std::string& layer)
      : model_(model),
        targets_(std::move(targets)),
        options_(options),
        value_(model.graph().value(model.graph().resolve(layer))),
        layout_(model.layouts().place_of(layer)) {
    const auto axis = sample_axis(graph(), value_.shape);
    const bool one_row_a_sample = axis && axis->axis == 0 && axis->rows == 1;
    if (!value_.type.starts_with("float") || !(layout_ || one_row_a_sample))
      throw UsageError("the layer '" + layer + "' is " + value_.type + " " + to_string(value_.shape) +
                       "; attribution on a layer needs floating-point values with one row a sample. `vitrail inspect " +
                       "MODEL` lists all of them.");
    find_beside();
    read(inputs);
  }

  const Tensor& activation() const override { return activation_; }

  Tensor score(const Tensor& activations) const override { return score_with_rule(activations, BackwardRule::plain); }

  Tensor score_with_rule(const Tensor& activations, BackwardRule rule) const override {
    const int64_t samples = activations.size(0);
    const Tensor original = original_.defined() ? repeated(original_, *layout_, samples) : Tensor();
    Feeds feeds = {{value_.name,
                    layout_ ? from_planes(activations, *layout_, original) : from_picture(activations, value_.shape)}};
    for (size_t i = 0; i < beside_.size(); ++i) feeds.emplace_back(beside_[i], axes_[i].repeat(values_[i], samples));
    RunOptions options = options_;
    if (rule != BackwardRule::plain) options.backward_rule = rule;
    return target_scores(model_.outputs_of(feeds, samples, options), targets_);
  }

  bool has_place() const override { return layout_.has_value(); }
  bool is_complete() const override { return beside_.empty() && !original_.defined(); }

  std::vector<std::string> gradient_warnings() const override { return model_.non_differentiable(value_.name); }

 private:
  const Graph& graph() const { return model_.graph(); }

  /// What runs past the layer; where a value among it cannot be repeated for many samples, all is computed again from
  /// the input.
  void find_beside() {
    for (const std::string& output : model_.output_values())
      for (const std::string& name : graph().beside(value_.name, output))
        if (std::find(beside_.begin(), beside_.end(), name) == beside_.end()) beside_.push_back(name);
    for (const std::string& name : beside_) {
      const auto axis = sample_axis(graph(), graph().value(name).shape);
      if (!axis) {
        beside_ = {model_.input_value()};
        axes_ = {SampleAxis{}};
        return;
      }
      axes_.push_back(*axis);
    }
  }

  void read(const Tensor& inputs) {
    const at::NoGradGuard no_grad;
    std::vector<std::string> fetches = {value_.name};
    fetches.insert(fetches.end(), beside_.begin(), beside_.end());
    const Tensors values = graph().run({{model_.input_value(), model_.to_layout(inputs)}}, fetches, options_);
    activation_ = (layout_ ? to_planes(values[0], *layout_) : to_picture(values[0])).cpu();
    values_ = {values.begin() + 1, values.end()};
    if (layout_ && layout_->has_others) original_ = values[0].cpu();
  }

  Model model_;  ///< shares the graph
  std::vector<Target> targets_;
  RunOptions options_;
  ValueInfo value_;
  std::optional<SpatialLayout> layout_;
  std::vector<std::string> beside_;  ///< values that run past the layer
  std::vector<SampleAxis> axes_;     ///< of each
  Tensors values_;                   ///< of the inputs
  Tensor activation_, original_;     ///< original_: where it holds numbers without position
};

}  // namespace

std::unique_ptr<const Suffix> suffix_of(const Model& model, const std::vector<Target>& targets,
                                        const RunOptions& options, const Tensor& inputs, const std::string& layer) {
  return std::make_unique<GraphSuffix>(model, targets, options, inputs, layer);
}

}  // namespace vitrail
