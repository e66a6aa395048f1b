#include <vitrail/gradcam.h>

#include <ATen/TensorOperators.h>

#include "attribution/cam/gradient_evidence.h"
#include "attribution/explain_image.h"

namespace vitrail {

namespace {

Method::Cost cost(const GradCamOptions& options, int64_t, int64_t, int64_t targets) {
  return cost_of_views(options, {1, targets});
}

const MethodDefinition<GradCamOptions, Probe>& definition() {
  static const MethodDefinition<GradCamOptions, Probe> definition(
      {.name = "gradcam",
       .family = "cam",
       .summary = "Positions of a late layer that speak for the target: activations weighted by mean gradients.",
       .formula = "ReLU(sum_k alpha_k A_k), alpha_k = mean over positions of dg/dA_k",
       .cost = "1 forward, 1 backward a target behind the layer",
       .guarantees = "exact; the class activation map divided by the positions on pooling + linear heads",
       .source = "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM, ICCV 2017",
       .access = Access::layer,
       .is_signed = true,
       .unit = "logit"},
      cam_rows<GradCamOptions>(), gradcam, cost);
  return definition;
}

Tensor terms(const Tensor& activation, const Tensor& gradient) {
  return gradient.mean({1, 2}, /*keepdim=*/true) * activation;
}

}  // namespace

const MethodEntry& gradcam_method() { return definition(); }

std::vector<Explanation> gradcam(const Probe& probe, const Tensor& inputs, const GradCamOptions& options,
                                 const Execution& execution) {
  return definition().run(probe, inputs, options, execution, [&](MethodRun& run) {
    explain_by_gradient(run, probe, settings_of("gradcam", options), terms);
  });
}

std::vector<Explanation> gradcam(const Model& model, const Image& image, const std::string& target,
                                 const GradCamOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return gradcam(probe, input, options); });
}

}  // namespace vitrail
