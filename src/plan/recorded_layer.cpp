#include "plan/recorded_layer.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "plan/activation.h"
#include "vitrail/error.h"

namespace vitrail::onednn {
namespace {

/// What the backward pass of one call needs.
struct Call : torch::CustomClassHolder {
  Call(std::shared_ptr<const DirectLayer> layer, Activation activation, Ints input)
      : layer(std::move(layer)), activation(std::move(activation)), input(std::move(input)) {}
  std::shared_ptr<const DirectLayer> layer;
  Activation activation;
  Ints input;
};

struct LayerFunction : torch::autograd::Function<LayerFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const std::optional<Tensor>& other,
                        const c10::intrusive_ptr<Call>& call) {
    const Tensor y = call->layer->run(x, other.value_or(Tensor()), /*may_overwrite=*/false);
    context->saved_data["adds"] = other.has_value();
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    if (call->activation.name != "none") context->save_for_backward({y});
    return y;
  }

  static Tensors backward(torch::autograd::AutogradContext* context, const Tensors& gradients) {
    VITRAIL_CHECK(!at::GradMode::is_enabled(), "the gradient of a plan cannot be differentiated again");
    const auto holder = context->saved_data["call"].toCapsule();
    const auto& call = static_cast<const Call&>(*holder);
    const Tensors saved = context->get_saved_variables();
    const Tensor before = saved.empty() ? gradients[0] : pass_back(call.activation, gradients[0], saved[0]);
    return {context->needs_input_grad(0) ? call.layer->run_backward(before, call.input) : Tensor(),
            context->saved_data["adds"].toBool() && context->needs_input_grad(1) ? before : Tensor(), Tensor()};
  }
};

}  // namespace

RecordedLayer::RecordedLayer(std::shared_ptr<const DirectLayer> fused, const Layer& layer)
    : apart_(!derives_from_value(layer.activation)), layer_(std::move(fused)), activation_(layer.activation) {
  if (!apart_) return;
  Layer bare = layer;
  bare.activation = {};
  layer_ = std::make_shared<DirectLayer>(bare, at::kFloat);
}

Tensor RecordedLayer::run(const Tensor& x, const Tensor& other) const {
  Tensor y =
      LayerFunction::apply(x, other.defined() ? std::optional<Tensor>(other) : std::nullopt,
                           c10::make_intrusive<Call>(layer_, apart_ ? Activation() : activation_, x.sizes().vec()));
  if (apart_) onednn::apply(activation_, y);
  return y;
}

}  // namespace vitrail::onednn
