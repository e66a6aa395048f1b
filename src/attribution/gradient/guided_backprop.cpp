#include <vitrail/guided_backprop.h>

#include <ATen/TensorOperators.h>
#include <vitrail/gradcam.h>

#include <algorithm>

#include "attribution/explain_image.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/maps.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

using Definition = MethodDefinition<GuidedBackpropOptions, DifferentiableScorer>;
using GuidedGradCamDefinition = MethodDefinition<GuidedGradCamOptions, Probe>;

Method::Cost gradient_cost(const GuidedBackpropOptions&, int64_t, int64_t, int64_t targets) { return {1, targets}; }
Method::Cost cam_cost(const GuidedGradCamOptions&, int64_t, int64_t, int64_t targets) { return {2, 2 * targets}; }

const Definition& guided() {
  static const Definition definition(
      {.name = "guided_backprop",
       .family = "gradient",
       .summary = "The gradient with ReLUs that pass back only what is positive, where they were active.",
       .formula = "dg/dx with R_in = R_out * [R_out > 0] * [input > 0] at every ReLU",
       .cost = "1 forward, 1 backward a target",
       .guarantees = "deterministic; the gradient where there is no ReLU; fails sanity checks by design",
       .source = "Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for Simplicity, ICLR workshop 2015",
       .access = Access::gradient,
       .is_signed = true,
       .unit = "logit per input unit"},
      OptionTable<GuidedBackpropOptions>({reducer_option(&GuidedBackpropOptions::reducer)}), guided_backprop,
      gradient_cost);
  return definition;
}

const Definition& deconvolved() {
  static const Definition definition(
      {.name = "deconvnet",
       .family = "gradient",
       .summary = "The gradient with ReLUs that pass back only what is positive, active or not.",
       .formula = "dg/dx with R_in = R_out * [R_out > 0] at every ReLU",
       .cost = "1 forward, 1 backward a target",
       .guarantees = "deterministic; the gradient where there is no ReLU; fails sanity checks by design",
       .source = "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014",
       .access = Access::gradient,
       .is_signed = true,
       .unit = "logit per input unit"},
      OptionTable<GuidedBackpropOptions>({reducer_option(&GuidedBackpropOptions::reducer)}), deconvnet, gradient_cost);
  return definition;
}

const GuidedGradCamDefinition& guided_cam() {
  static const GuidedGradCamDefinition definition(
      {.name = "guided_gradcam",
       .family = "gradient",
       .summary = "Guided backpropagation where Grad-CAM says that something speaks for the target.",
       .formula = "guided_backprop * gradcam, enlarged to the input",
       .cost = "2 forwards, 1 backward and 1 behind the layer a target",
       .guarantees = "deterministic; zero where Grad-CAM is",
       .source = "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM, ICCV 2017",
       .access = Access::layer,
       .is_signed = true,
       .unit = "logit^2 per input unit"},
      OptionTable<GuidedGradCamOptions>({
          option("layer", &GuidedGradCamOptions::layer, "layer or value name; auto: the last one with positions"),
          reducer_option(&GuidedGradCamOptions::reducer),
      }),
      guided_gradcam, cam_cost);
  return definition;
}

/// Sets scores and maps: the gradient under the rule, reduced over channels.
void fill_gradients(MethodRun& run, const DifferentiableScorer& scorer, BackwardRule rule, Reducer reducer) {
  warn_of_flat_operators(run, scorer);
  const auto [scores, gradients] = target_gradients(run, scorer, run.input().unsqueeze(0), {}, rule);
  run.set_scores(scores[0]);
  for (size_t t = 0; t < gradients.size(); ++t) run.results()[t].map = reduce_channels(gradients[t][0], reducer);
}

void warn_of_sanity_checks(MethodRun& run, const std::string& method) {
  run.warn(method +
           " fails sanity checks by design: its map follows the edges of the photo and depends little on the " +
           "target and on the weights of late layers. Do not read it as the network's reason.");
}

std::vector<Explanation> backpropagate(const Definition& definition, BackwardRule rule,
                                       const DifferentiableScorer& scorer, const Tensor& inputs,
                                       const GuidedBackpropOptions& options, const Execution& execution) {
  return definition.run(scorer, inputs, options, execution, [&](MethodRun& run) {
    fill_gradients(run, scorer, rule, options.reducer);
    warn_of_sanity_checks(run, definition.info().name);
  });
}

/// Multiplies the maps of the run by Grad-CAM's, and takes over what that says. The run listens and counts for both.
void multiply_by_gradcam(MethodRun& run, const Probe& probe, const std::string& layer) {
  const auto cams = gradcam(probe, run.input().unsqueeze(0), {.layer = layer}, {.batch = run.batch()});
  run.count(cams[0].forwards, cams[0].backwards);
  for (size_t t = 0; t < cams.size(); ++t) {
    Explanation& result = run.results()[t];
    result.map = result.map * cams[t].map.to(result.map.options());
    for (const std::string& warning : cams[t].warnings)
      if (std::find(result.warnings.begin(), result.warnings.end(), warning) == result.warnings.end())
        result.warnings.push_back(warning);
    for (const char* key : {"layer", "layer_alternatives"})
      if (const auto found = cams[t].plan.find(key); found != cams[t].plan.end()) result.plan[key] = found->second;
  }
}

}  // namespace

const MethodEntry& guided_backprop_method() { return guided(); }
const MethodEntry& deconvnet_method() { return deconvolved(); }
const MethodEntry& guided_gradcam_method() { return guided_cam(); }

std::vector<Explanation> guided_backprop(const DifferentiableScorer& scorer, const Tensor& inputs,
                                         const GuidedBackpropOptions& options, const Execution& execution) {
  return backpropagate(guided(), BackwardRule::guided, scorer, inputs, options, execution);
}

std::vector<Explanation> deconvnet(const DifferentiableScorer& scorer, const Tensor& inputs,
                                   const GuidedBackpropOptions& options, const Execution& execution) {
  return backpropagate(deconvolved(), BackwardRule::deconv, scorer, inputs, options, execution);
}

std::vector<Explanation> guided_gradcam(const Probe& probe, const Tensor& inputs, const GuidedGradCamOptions& options,
                                        const Execution& execution) {
  return guided_cam().run(probe, inputs, options, execution, [&](MethodRun& run) {
    fill_gradients(run, probe, BackwardRule::guided, options.reducer);
    multiply_by_gradcam(run, probe, options.layer);
    warn_of_sanity_checks(run, "guided_backprop, its finer factor,");
  });
}

std::vector<Explanation> guided_backprop(const Model& model, const Image& image, const std::string& target,
                                         const GuidedBackpropOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return guided_backprop(probe, input, options); });
}

std::vector<Explanation> deconvnet(const Model& model, const Image& image, const std::string& target,
                                   const GuidedBackpropOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return deconvnet(probe, input, options); });
}

std::vector<Explanation> guided_gradcam(const Model& model, const Image& image, const std::string& target,
                                        const GuidedGradCamOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return guided_gradcam(probe, input, options); });
}

}  // namespace vitrail
