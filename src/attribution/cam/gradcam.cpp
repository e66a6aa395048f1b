#include <vitrail/gradcam.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include "attribution/explain_image.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/maps.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

Method::Cost cost(const GradCamOptions&, int64_t, int64_t, int64_t targets) { return {1, targets}; }

const MethodDefinition<GradCamOptions, Probe>& definition() {
  static const MethodDefinition<GradCamOptions, Probe> definition(
      {.name = "gradcam",
       .family = "cam",
       .summary = "Positions of a late layer that speak for the target: activations weighted by mean gradients.",
       .cost = "1 forward, 1 backward a target behind the layer",
       .guarantees = "exact; the class activation map divided by the positions on pooling + linear heads",
       .source = "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM, ICCV 2017",
       .access = Access::layer,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<GradCamOptions>({
          option("layer", &GradCamOptions::layer, "layer or value name; auto: the last one with positions"),
          option("relu", &GradCamOptions::relu, "keep only what speaks for the target"),
      }),
      gradcam, cost);
  return definition;
}

/// The layer to use and others that would do, best first.
struct LayerChoice {
  std::string layer;
  std::vector<std::string> alternatives;
};

LayerChoice choose_layer(const Probe& probe, const std::string& wanted) {
  constexpr size_t named = 5;
  LayerChoice choice{wanted, {}};
  for (const LayerInfo& layer : probe.spatial_layers()) {
    if (choice.layer == "auto") choice.layer = layer.name;
    if (layer.name != choice.layer && choice.alternatives.size() < named) choice.alternatives.push_back(layer.name);
  }
  if (choice.layer == "auto")
    throw UsageError(
        "gradcam: the network has no layer with positions between input and output. Name one with " +
        std::string("layer=..., or use a method that needs no layer, such as integrated_gradients or sobol."));
  return choice;
}

Tensor read_activation(const Probe& probe, const Tensor& input, const std::string& layer) {
  const at::NoGradGuard no_grad;
  const Tensor activation = probe.activation(input, layer);
  if (activation.dim() != 4 || activation.size(0) != 1)
    throw UsageError("gradcam: the probe's value of layer \"" + layer + "\" has " + std::to_string(activation.dim()) +
                     " dimensions, expected planes [1,K,h,w].");
  return activation;
}

/// Fills map and cells from activations and their gradient, both [K,h,w].
void fill_maps(Explanation& result, const MethodRun& run, const Tensor& activation, const Tensor& gradient, bool relu) {
  const Tensor alpha = gradient.mean({1, 2}, /*keepdim=*/true);
  const Tensor evidence = (alpha * activation).sum(0);
  result.cells = relu ? evidence.relu() : evidence;
  result.map = upsample(result.cells, run.height(), run.width(), Interpolation::bicubic);
  if (relu) result.map = result.map.relu();
  result.is_signed = !relu;
  if (relu && (evidence < 0).all().item<bool>())
    result.warnings.push_back("Every cell of the layer speaks against the target. relu=false shows how much.");
}

}  // namespace

const MethodEntry& gradcam_method() { return definition(); }

std::vector<Explanation> gradcam(const Probe& probe, const Tensor& inputs, const GradCamOptions& options,
                                 const Execution& execution) {
  return definition().run(probe, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, probe);
    const LayerChoice choice = choose_layer(probe, options.layer);
    const Tensor input = run.input().unsqueeze(0);
    const Tensor activation = read_activation(probe, input, choice.layer);
    const at::AutoGradMode recording(true);
    const Tensor leaf = activation.detach().requires_grad_(true);
    const std::vector<bool> all(run.results().size(), true);
    const auto [scores, gradients] = gradients_of_scores(run, probe.score_from(input, choice.layer, leaf), leaf, all);
    run.set_scores(scores[0]);
    for (size_t t = 0; t < gradients.size(); ++t) {
      Explanation& result = run.results()[t];
      fill_maps(result, run, activation[0], gradients[t][0], options.relu);
      result.plan["layer"] = choice.layer;
      if (!choice.alternatives.empty()) result.plan["layer_alternatives"] = join(choice.alternatives);
    }
  });
}

std::vector<Explanation> gradcam(const Model& model, const Image& image, const std::string& target,
                                 const GradCamOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return gradcam(probe, input, options); });
}

}  // namespace vitrail
