#include <torch/csrc/autograd/autograd.h>

#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>

#include "ops/failure.h"
#include "vitrail/graph.h"

namespace vitrail {

Tensors gradient(const Tensors& outputs, const Tensors& inputs, const Tensors& output_gradients, bool create_graph,
                 bool retain_graph) try {
  // Outputs that nothing differentiable reaches have no graph; their gradient is zero.
  Tensors reached, weights;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].requires_grad()) continue;
    reached.push_back(outputs[i]);
    weights.push_back(output_gradients.empty() ? at::ones_like(outputs[i]) : output_gradients[i]);
  }
  Tensors gradients(inputs.size());
  if (!reached.empty())
    gradients = torch::autograd::grad(reached, inputs, weights, retain_graph || create_graph, create_graph,
                                      /*allow_unused=*/true);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!gradients[i].defined()) gradients[i] = at::zeros_like(inputs[i]);
  return gradients;
} catch (const c10::Error&) {
  rethrow_at("the gradient");
}

}  // namespace vitrail
