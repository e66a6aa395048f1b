#include "doctor/saturation.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <optional>

namespace vitrail {
namespace {

/// Where an activation is flat; without a number there is no such end.
struct Ends {
  std::optional<double> low, high;
};

/// Within this of an end of a curve that only approaches it.
constexpr double kMargin = 1e-3;

std::optional<Ends> ends_of(const std::string& op, const Tensor& y) {
  if (op == "Relu") return Ends{0, std::nullopt};
  if (op == "Sigmoid") return Ends{kMargin, 1 - kMargin};
  if (op == "Tanh") return Ends{-1 + kMargin, 1 - kMargin};
  if (op == "HardSigmoid") return Ends{0, 1};
  // The limits themselves are what the values stop at.
  if (op == "Clip") return Ends{y.min().item<double>(), y.max().item<double>()};
  return std::nullopt;
}

}  // namespace

std::vector<Saturation> find_saturation(const Graph& graph, const std::string& input, const Tensor& samples) {
  constexpr size_t kAtOnce = 8;  // values held together
  at::NoGradGuard no_grad;
  std::vector<NodeInfo> activations;
  for (const NodeInfo& node : graph.nodes()) {
    if (node.outputs.empty() || !ends_of(node.op, samples)) continue;
    const ValueInfo value = graph.value(node.outputs[0]);
    if (value.shape.size() >= 2 && value.type.starts_with("float")) activations.push_back(node);
  }
  std::vector<Saturation> result;
  for (size_t first = 0; first < activations.size(); first += kAtOnce) {
    std::vector<std::string> values;
    for (size_t i = first; i < activations.size() && values.size() < kAtOnce; ++i)
      values.push_back(activations[i].outputs[0]);
    const Tensors outputs = graph.run({{input, samples}}, values);
    for (size_t i = 0; i < values.size(); ++i) {
      const NodeInfo& node = activations[first + i];
      const Tensor& y = outputs[i];
      const Ends ends = *ends_of(node.op, y);
      const Tensor at_low = y.le(*ends.low);
      const Tensor flat = ends.high ? at_low.logical_or(y.ge(*ends.high)) : at_low;
      const Tensor by_channel = at_low.movedim(y.dim() == 4 ? 1 : y.dim() - 1, 0).flatten(1).all(1);
      result.push_back({node.op + " node '" + node.name + "'", values[i], flat.to(at::kDouble).mean().item<double>(),
                        by_channel.to(at::kDouble).mean().item<double>()});
    }
  }
  return result;
}

}  // namespace vitrail
