#include "vitrail/neuron.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <charconv>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "model/layout.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

struct Unit {
  std::string layer;
  int64_t channel = 0;
  std::optional<std::pair<int64_t, int64_t>> cell;  ///< row and column; none: the mean over all
};

/// Cuts the last of the numbers behind colons off.
std::optional<int64_t> cut_number(std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon + 1 == text.size()) return std::nullopt;
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, number);
  if (error != std::errc() || rest != end || number < 0) return std::nullopt;
  text.resize(colon);
  return number;
}

/// Layer names may end in a colon and a number themselves: LAYER:channel:y:x is tried first.
Unit parse(const Graph& graph, const std::string& text) {
  std::string layer = text;
  const auto x = cut_number(layer);
  std::string before = layer;
  const auto y = x ? cut_number(before) : std::nullopt;
  const auto channel = y ? cut_number(before) : std::nullopt;
  if (channel && graph.has_value(before)) return {before, *channel, std::pair(*y, *x)};
  if (!x)
    throw UsageError("the unit '" + text + "' is not understood; expected LAYER:channel or LAYER:channel:row:column.");
  graph.resolve(layer);  // throws with the nearest names
  return {layer, *x, std::nullopt};
}

/// The network up to a layer, and one unit of that as the score.
class NeuronProbe : public Probe {
 public:
  NeuronProbe(const Model& model, const std::string& text)
      : model_(model),
        unit_(parse(model.graph(), text)),
        value_(model.graph().resolve(unit_.layer)),
        layouts_(layouts_of(model, {value_})),
        layout_(model.layouts().place_of(value_)) {
    target_.string = text;
    target_.index = unit_.channel;
    target_.label = "unit " + text;
    const ValueInfo info = graph().value(value_);
    if (!info.type.starts_with("float") || info.shape.empty() || info.shape[0].at(1) != 1)
      throw UsageError("the layer '" + unit_.layer + "' is " + info.type + " " + to_string(info.shape) +
                       "; a unit needs floating-point values with one row a sample.");
    std::vector<int64_t> sizes;
    for (const Dim& dim : info.shape) sizes.push_back(dim.at(1));
    const Tensor planes = to_planes_of_units(at::zeros(sizes));
    check(unit_.channel, planes.size(1), "channel");
    if (unit_.cell) {
      check(unit_.cell->first, planes.size(2), "row");
      check(unit_.cell->second, planes.size(3), "column");
    }
  }

  Tensor score(const Tensor& inputs) const override {
    const at::NoGradGuard no_grad;
    return differentiable_score(inputs);
  }
  Tensor differentiable_score(const Tensor& inputs) const override {
    return score_with_rule(inputs, BackwardRule::plain);
  }
  Tensor score_with_rule(const Tensor& inputs, BackwardRule rule) const override {
    return read({{model_.input_value(), model_.to_layout(inputs)}}, {.backward_rule = rule});
  }
  std::vector<Target> targets() const override { return {target_}; }
  std::map<std::string, std::string> engine() const override { return {{"engine", "plain"}}; }
  Tensor pixel(double value, int64_t) const override { return pixel_in_input_space(value, model_.preprocess()); }
  Tensor prepare(const std::filesystem::path& photo) const override {
    return model_.prepare(read_image(photo)).input[0];
  }
  std::vector<std::string> gradient_warnings() const override {
    return graph().non_differentiable(model_.input_value(), value_);
  }

  std::vector<LayerInfo> spatial_layers() const override {
    std::vector<LayerInfo> layers;
    for (const SpatialLayer& found : layouts_.layers()) layers.push_back(found.layer);
    return layers;
  }
  Tensor activation(const Tensor& inputs, const std::string& layer) const override {
    return to_planes(value_at(inputs, layer), find(layer)).cpu();
  }
  Tensor score_from(const Tensor& inputs, const std::string& layer, const Tensor& activation) const override {
    const SpatialLayout layout = find(layer);
    Tensor original;
    if (layout.has_others) {
      const at::NoGradGuard no_grad;
      original = value_at(inputs, layer).cpu();
    }
    return read({{graph().resolve(layer), from_planes(activation, layout, original)},
                 {model_.input_value(), model_.to_layout(inputs)}},
                {});
  }

 private:
  const Graph& graph() const { return model_.graph(); }

  SpatialLayout find(const std::string& layer) const {
    if (const auto layout = layouts_.place_of(layer)) return *layout;
    throw UsageError("the layer '" + layer + "' keeps no positions of the photo, or does not lead to '" + unit_.layer +
                     "'.");
  }

  Tensor value_at(const Tensor& inputs, const std::string& value) const {
    return graph().run({{model_.input_value(), model_.to_layout(inputs)}}, {value})[0];
  }

  /// [N,K,h,w]: planes, features of tokens as [N,D,1,T], features of rows as [N,D,1,1].
  Tensor to_planes_of_units(const Tensor& value) const {
    if (layout_) return to_planes(value, *layout_);
    if (value.dim() == 4) return value;
    if (value.dim() == 3) return value.transpose(1, 2).unsqueeze(2);
    return value.reshape({value.size(0), -1, 1, 1});
  }

  Tensor read(const Feeds& feeds, const RunOptions& options) const {
    const Tensor units = to_planes_of_units(graph().run(feeds, {value_}, options)[0]).select(1, unit_.channel).cpu();
    const Tensor score =
        unit_.cell ? units.select(1, unit_.cell->first).select(1, unit_.cell->second) : units.mean({1, 2});
    return score.unsqueeze(1);
  }

  void check(int64_t number, int64_t count, const std::string& what) const {
    if (number < count) return;
    throw UsageError("the unit '" + target_.string + "' has " + what + " " + std::to_string(number) +
                     ", but the layer '" + unit_.layer + "' has " + std::to_string(count) + ", numbered from 0.");
  }

  Model model_;  ///< shares the graph
  Unit unit_;
  std::string value_;
  SpatialLayouts layouts_;  ///< on the way to the unit
  std::optional<SpatialLayout> layout_;
  Target target_;
};

}  // namespace

std::unique_ptr<Probe> neuron_probe(const Model& model, const std::string& unit) {
  return std::make_unique<NeuronProbe>(model, unit);
}

}  // namespace vitrail
