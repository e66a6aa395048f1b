#include "attribution/method_impl.h"

namespace vitrail {

const MethodEntry& gradcam_method();

MethodList cam_methods() { return {&gradcam_method()}; }

}  // namespace vitrail
