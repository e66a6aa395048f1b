#include "attribution/method_impl.h"

namespace vitrail {

const MethodEntry& occlusion_method();
const MethodEntry& rise_method();
const MethodEntry& sobol_method();

MethodList perturbation_methods() { return {&occlusion_method(), &rise_method(), &sobol_method()}; }

}  // namespace vitrail
