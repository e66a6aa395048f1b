#include "attribution/relevance/channels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <vitrail/error.h>

#include <algorithm>
#include <stdexcept>

#include "attribution/options.h"

namespace vitrail {

Channels::Channels(const RelevanceGraph& graph, const std::string& layer, const std::string& channels) {
  if (layer == "none") {
    if (channels != "all")
      throw UsageError("channels=" + channels + " says nothing of whose channels. Name their layer with layer=...");
    return;
  }
  value_ = graph.find(layer);
  const Shape shape = graph.model().graph().value(graph.name(value_)).shape;
  if (shape.size() < 2)
    throw UsageError("the layer '" + layer + "' has shape " + to_string(shape) + " and so no channels.");
  axis_ = shape.size() == 3 ? 2 : 1;
  if (channels == "all") return;
  const int64_t count = shape[static_cast<size_t>(axis_)].fixed;
  for (size_t begin = 0; begin <= channels.size();) {
    const size_t end = std::min(channels.find('+', begin), channels.size());
    const std::string text = channels.substr(begin, end - begin);
    int64_t channel = -1;
    try {
      read_value(text, channel);
    } catch (const std::invalid_argument&) {
      channel = -1;
    }
    if (channel < 0 || channel >= count)
      throw UsageError("channels: found \"" + text + "\"; the layer '" + layer + "' has the channels 0 to " +
                       std::to_string(count - 1) + ", chosen as in 3+17.");
    channels_.push_back(channel);
    begin = end + 1;
  }
}

void Channels::condition(Walk& walk, double& kept) const {
  walk.changes[value_] = [this, &kept](const Tensor& arrived) {
    Tensor chosen = arrived;
    if (!channels_.empty()) {
      const Tensor index = at::tensor(channels_, at::kLong).to(arrived.device());
      chosen = at::zeros_like(arrived).index_copy(axis_, index, arrived.index_select(axis_, index));
    }
    kept = chosen.sum(at::kDouble).item<double>();
    return chosen;
  };
}

}  // namespace vitrail
