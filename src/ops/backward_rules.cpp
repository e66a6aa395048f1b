#include "ops/backward_rules.h"

#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

namespace vitrail {
namespace {

struct RuleFunction : torch::autograd::Function<RuleFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& input, const Tensor& output,
                        const Tensor& active, bool guided) {
    context->saved_data["guided"] = guided;
    context->save_for_backward({active});
    return output.clone();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    Tensor passed = gradients[0].clamp_min(0);
    if (context->saved_data["guided"].toBool())
      passed = passed * context->get_saved_variables()[0].to(passed.scalar_type());
    return {passed, Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor with_backward_rule(const Tensor& input, const Tensor& output, const Tensor& active, BackwardRule rule) {
  if (rule == BackwardRule::plain || !input.requires_grad()) return output;
  return RuleFunction::apply(input, output.detach(), active.detach(), rule == BackwardRule::guided);
}

}  // namespace vitrail
