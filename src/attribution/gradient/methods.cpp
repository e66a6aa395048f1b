#include "attribution/method_impl.h"

namespace vitrail {

const MethodEntry& saliency_method();
const MethodEntry& gradient_x_input_method();
const MethodEntry& integrated_gradients_method();
const MethodEntry& smoothgrad_method();
const MethodEntry& squaregrad_method();
const MethodEntry& vargrad_method();
const MethodEntry& expected_gradients_method();
const MethodEntry& guided_backprop_method();
const MethodEntry& deconvnet_method();
const MethodEntry& guided_gradcam_method();
const MethodEntry& guided_ig_method();
const MethodEntry& blur_ig_method();
const MethodEntry& xrai_method();
const MethodEntry& fullgrad_method();
const MethodEntry& conductance_method();
const MethodEntry& internal_influence_method();
const MethodEntry& layer_ig_method();

MethodList gradient_methods() {
  return {&saliency_method(),           &gradient_x_input_method(), &integrated_gradients_method(),
          &guided_ig_method(),          &blur_ig_method(),          &xrai_method(),
          &smoothgrad_method(),         &squaregrad_method(),       &vargrad_method(),
          &expected_gradients_method(), &fullgrad_method(),         &guided_backprop_method(),
          &deconvnet_method(),          &guided_gradcam_method(),   &conductance_method(),
          &internal_influence_method(), &layer_ig_method()};
}

}  // namespace vitrail
