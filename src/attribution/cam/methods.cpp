#include "attribution/method_impl.h"

namespace vitrail {

const MethodEntry& gradcam_method();
const MethodEntry& gradcam_pp_method();
const MethodEntry& smooth_gradcam_pp_method();
MethodList gradient_cam_methods();
MethodList activation_cam_methods();
MethodList scorecam_methods();
MethodList layer_perturbation_methods();

MethodList cam_methods() {
  MethodList list{&gradcam_method(), &gradcam_pp_method(), &smooth_gradcam_pp_method()};
  for (const MethodList& group :
       {gradient_cam_methods(), activation_cam_methods(), scorecam_methods(), layer_perturbation_methods()})
    list.insert(list.end(), group.begin(), group.end());
  return list;
}

}  // namespace vitrail
