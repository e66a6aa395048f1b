#include "attribution/cam/gradient_evidence.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include "attribution/gradient/target_gradients.h"
#include "attribution/maps.h"

namespace vitrail {

namespace {

/// The layer to use and others that would do, best first.
struct LayerChoice {
  std::string layer;
  std::vector<std::string> alternatives;
};

LayerChoice choose_layer(const Probe& probe, const std::string& method, const std::string& wanted) {
  constexpr size_t named = 5;
  LayerChoice choice{wanted, {}};
  for (const LayerInfo& layer : probe.spatial_layers()) {
    if (choice.layer == "auto") choice.layer = layer.name;
    if (layer.name != choice.layer && choice.alternatives.size() < named) choice.alternatives.push_back(layer.name);
  }
  if (choice.layer == "auto")
    throw UsageError(method + ": the network has no layer with positions between input and output. Name one with " +
                     "layer=..., or use a method that needs no layer, such as integrated_gradients or sobol.");
  return choice;
}

Tensor read_activation(const Probe& probe, const std::string& method, const Tensor& input, const std::string& layer) {
  const at::NoGradGuard no_grad;
  const Tensor activation = probe.activation(input, layer);
  if (activation.dim() != 4 || activation.size(0) != 1)
    throw UsageError(method + ": the probe's value of layer \"" + layer + "\" has " + std::to_string(activation.dim()) +
                     " dimensions, expected planes [1,K,h,w].");
  return activation;
}

/// Fills map and cells from the evidence [h,w].
void fill_maps(Explanation& result, const MethodRun& run, const Tensor& evidence, bool relu) {
  result.cells = relu ? evidence.relu() : evidence;
  result.map = upsample(result.cells, run.height(), run.width(), Interpolation::bicubic);
  if (relu) result.map = result.map.relu();
  result.is_signed = !relu;
  if (relu && (evidence < 0).all().item<bool>())
    result.warnings.push_back("Every cell of the layer speaks against the target. relu=false shows how much.");
}

}  // namespace

OptionTable<GradCamOptions> gradcam_options() {
  return {{option("layer", &GradCamOptions::layer, "layer or value name; auto: the last one with positions"),
           option("relu", &GradCamOptions::relu, "keep only what speaks for the target")}};
}

void explain_by_gradient_evidence(MethodRun& run, const Probe& probe, const std::string& method,
                                  const GradCamOptions& options, GradientEvidence* evidence) {
  warn_of_flat_operators(run, probe);
  const LayerChoice choice = choose_layer(probe, method, options.layer);
  const Tensor input = run.input().unsqueeze(0);
  const Tensor activation = read_activation(probe, method, input, choice.layer);
  const at::AutoGradMode recording(true);
  const Tensor leaf = activation.detach().requires_grad_(true);
  const std::vector<bool> all(run.results().size(), true);
  const auto [scores, gradients] = gradients_of_scores(run, probe.score_from(input, choice.layer, leaf), leaf, all);
  run.set_scores(scores[0]);
  for (size_t t = 0; t < gradients.size(); ++t) {
    Explanation& result = run.results()[t];
    fill_maps(result, run, evidence(activation[0], gradients[t][0]), options.relu);
    result.plan["layer"] = choice.layer;
    if (!choice.alternatives.empty()) result.plan["layer_alternatives"] = join(choice.alternatives);
  }
}

}  // namespace vitrail
