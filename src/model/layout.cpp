#include "model/layout.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

namespace vitrail {
namespace {

template <size_t N>
bool one_of(const std::string& word, const std::array<const char*, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// After these the last two dimensions are no longer rows and columns of the photo.
constexpr std::array<const char*, 14> kScramblers = {
    "Reshape", "Transpose", "MatMul",  "Gemm",      "Attention",      "Flatten",      "Einsum",
    "Gather",  "GatherND",  "Squeeze", "Unsqueeze", "GatherElements", "DepthToSpace", "SpaceToDepth"};
/// These let every token reach the output.
constexpr std::array<const char*, 6> kMixers = {"Attention",         "Softmax",   "ReduceMean",
                                                "GlobalAveragePool", "ReduceMax", "ReduceSum"};

bool follows_batch(const Shape& shape) { return !shape.empty() && (shape[0].per_batch == 1 || shape[0].fixed == 1); }

/// The most tokens in front of the patches: a class token, a distillation token, registers.
constexpr int64_t kMostExtraTokens = 8;

class Finder {
 public:
  Finder(const Graph& graph, const std::string& input, const std::string& output)
      : graph_(graph), nodes_(graph.nodes()), input_(input), output_(output) {}

  std::vector<SpatialLayer> find() {
    mark_leading();
    for (const LayerInfo& layer : graph_.layers()) layers_[layer.value] = layer;
    std::set<std::string> spatial = {input_};
    std::vector<SpatialLayer> mixed, unmixed;
    for (const NodeInfo& node : nodes_) {
      if (node.outputs.empty() || node.outputs[0].empty()) continue;
      const std::string& value = node.outputs[0];
      if (node.op == "Transpose" && node.inputs[0] == input_) {  // a photo with its channels last
        spatial.insert(value);
        continue;
      }
      const ValueInfo info = graph_.value(value);
      const bool from_photo =
          std::any_of(node.inputs.begin(), node.inputs.end(), [&](auto& i) { return spatial.count(i) > 0; });
      auto layout = layout_of(node, info, from_photo);
      if (layout && !layout->tokens) {
        spatial.insert(value);
        grid_ = {layout->height, layout->width};
      }
      if (!layout || leads_.count(value) == 0 || layout->height * layout->width <= 1 || value == output_) continue;
      const bool reaches = !layout->tokens || mixes_.count(value) > 0;
      (reaches ? mixed : unmixed).push_back({layers_[value], *layout});
    }
    std::reverse(mixed.begin(), mixed.end());
    std::reverse(unmixed.begin(), unmixed.end());
    mixed.insert(mixed.end(), unmixed.begin(), unmixed.end());
    return mixed;
  }

 private:
  /// Values that lead to the output, and those among them from which a mixing node is still ahead.
  void mark_leading() {
    leads_ = {output_};
    for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
      bool leads = false, mixes = false;
      for (const std::string& output : node->outputs) {
        leads |= leads_.count(output) > 0;
        mixes |= mixes_.count(output) > 0;
      }
      if (!leads) continue;
      mixes |= one_of(node->op, kMixers);
      for (const std::string& input : node->inputs) {
        leads_.insert(input);
        if (mixes) mixes_.insert(input);
      }
    }
  }

  std::optional<SpatialLayout> layout_of(const NodeInfo& node, const ValueInfo& info, bool from_photo) const {
    const Shape& shape = info.shape;
    if (!info.type.starts_with("float") || !follows_batch(shape)) return std::nullopt;
    if (shape.size() == 4 && from_photo && !one_of(node.op, kScramblers) && shape[2].per_batch == 0 &&
        shape[3].per_batch == 0)
      return SpatialLayout{false, shape[2].fixed, shape[3].fixed, 0};
    if (shape.size() == 3 && grid_.first > 1 && shape[1].per_batch == 0) {
      const int64_t patches = grid_.first * grid_.second, extra = shape[1].fixed - patches;
      if (extra >= 0 && extra <= kMostExtraTokens) return SpatialLayout{true, grid_.first, grid_.second, extra};
    }
    return std::nullopt;
  }

  const Graph& graph_;
  std::vector<NodeInfo> nodes_;
  std::string input_, output_;
  std::set<std::string> leads_, mixes_;
  std::unordered_map<std::string, LayerInfo> layers_;
  std::pair<int64_t, int64_t> grid_{0, 0};
};

}  // namespace

std::vector<SpatialLayer> find_spatial_layers(const Graph& graph, const std::string& input, const std::string& output) {
  return Finder(graph, input, output).find();
}

std::vector<SpatialLayer> find_spatial_layers(const Graph& graph, const std::string& input,
                                              const std::vector<std::string>& outputs) {
  std::vector<SpatialLayer> layers;
  std::unordered_map<std::string, int> uses;
  for (const std::string& output : outputs)
    for (SpatialLayer& found : find_spatial_layers(graph, input, output))
      if (++uses[found.layer.value] == 1) layers.push_back(std::move(found));
  std::stable_sort(layers.begin(), layers.end(), [&](const SpatialLayer& a, const SpatialLayer& b) {
    return uses[a.layer.value] > uses[b.layer.value];
  });
  return layers;
}

Tensor to_planes(const Tensor& value, const SpatialLayout& layout) {
  if (!layout.tokens) return value;
  Tensor patches = value.narrow(1, layout.extra_tokens, layout.height * layout.width);
  return patches.transpose(1, 2).reshape({value.size(0), value.size(2), layout.height, layout.width});
}

Tensor from_planes(const Tensor& planes, const SpatialLayout& layout, const Tensor& original) {
  if (!layout.tokens) return planes;
  Tensor patches = planes.flatten(2).transpose(1, 2);
  if (layout.extra_tokens == 0) return patches;
  return at::cat({original.narrow(1, 0, layout.extra_tokens), patches}, 1);
}

}  // namespace vitrail
