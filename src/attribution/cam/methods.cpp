#include "attribution/method_impl.h"

namespace vitrail {

const MethodEntry& gradcam_method();
MethodList gradient_cam_methods();

MethodList cam_methods() {
  MethodList list{&gradcam_method()};
  for (const MethodEntry* entry : gradient_cam_methods()) list.push_back(entry);
  return list;
}

}  // namespace vitrail
