#include "attribution/method_impl.h"

namespace vitrail {

const MethodEntry& occlusion_method();
const MethodEntry& rise_method();
const MethodEntry& sobol_method();
const MethodEntry& morris_method();
const MethodEntry& dgsm_method();
const MethodEntry& dgsm_morris_method();

MethodList perturbation_methods() {
  return {&occlusion_method(), &rise_method(), &sobol_method(),
          &morris_method(),    &dgsm_method(), &dgsm_morris_method()};
}

}  // namespace vitrail
