#include "attribution/method_impl.h"

namespace vitrail {

const MethodEntry& occlusion_method();
const MethodEntry& feature_ablation_method();
const MethodEntry& rise_method();
const MethodEntry& lime_method();
const MethodEntry& kernel_shap_method();
const MethodEntry& shapley_method();
const MethodEntry& exact_shapley_method();
const MethodEntry& owen_method();
const MethodEntry& sobol_method();
const MethodEntry& hsic_method();
const MethodEntry& morris_method();
const MethodEntry& dgsm_method();
const MethodEntry& dgsm_morris_method();

MethodList perturbation_methods() {
  return {&occlusion_method(),     &feature_ablation_method(),
          &rise_method(),          &lime_method(),
          &kernel_shap_method(),   &shapley_method(),
          &exact_shapley_method(), &owen_method(),
          &sobol_method(),         &hsic_method(),
          &morris_method(),        &dgsm_method(),
          &dgsm_morris_method()};
}

}  // namespace vitrail
