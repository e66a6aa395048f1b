#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <vitrail/cam.h>

#include "attribution/cam/gradient_evidence.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/random.h"

namespace vitrail {

namespace {

template <class Options>
Method::Cost forward_cost(const Options& options, int64_t, int64_t, int64_t) {
  return cost_of_views(options, {1, 0});
}

Method::Cost gradient_cost(const EigenCamOptions& options, int64_t, int64_t, int64_t targets) {
  return cost_of_views(options, {1, targets});
}

MethodInfo about(std::string name, std::string summary, std::string formula, std::string source,
                 std::string guarantees) {
  return {.name = std::move(name),
          .family = "cam",
          .summary = std::move(summary),
          .formula = std::move(formula),
          .cost = "1 forward up to the layer",
          .guarantees = std::move(guarantees),
          .source = std::move(source),
          .access = Access::layer,
          .is_signed = true,
          .unit = "activation"};
}

constexpr const char* without_target = "exact and deterministic; the same map for every target";

const MethodDefinition<EigenCamOptions, Probe>& eigen() {
  static const MethodDefinition<EigenCamOptions, Probe> definition(
      about("eigen_cam", "The strongest pattern in a late layer: its projection on the first singular vector.",
            "A v, v the first right singular vector of A as positions x channels",
            "Muhammad, Yeasin: Eigen-CAM, IJCNN 2020", without_target),
      cam_rows<EigenCamOptions>(), eigen_cam, forward_cost<EigenCamOptions>);
  return definition;
}

const MethodDefinition<EigenCamOptions, Probe>& eigen_gradient() {
  static const MethodDefinition<EigenCamOptions, Probe> definition(
      {.name = "eigen_gradcam",
       .family = "cam",
       .summary = "The strongest pattern in gradient times activation: its projection on the first singular vector.",
       .formula = "M v, M = G A as positions x channels, v its first right singular vector, G = dg/dA",
       .cost = "1 forward, 1 backward a target behind the layer",
       .guarantees = "exact and deterministic",
       .source = "Eigen-CAM (Muhammad, Yeasin, IJCNN 2020) of HiResCAM's terms",
       .access = Access::layer,
       .is_signed = true,
       .unit = "logit"},
      cam_rows<EigenCamOptions>(), eigen_gradcam, gradient_cost);
  return definition;
}

const MethodDefinition<FemOptions, Probe>& rare() {
  static const MethodDefinition<FemOptions, Probe> definition(
      about("fem", "Positions where channels fire far above their own mean.",
            "sum_k mean(A_k) [A_k >= mean(A_k) + deviations * std(A_k)]",
            "Fuad, Martin, Giot, Bourqui, Benois-Pineau, Zemmari: Features Understanding in 3D CNNs, 2020",
            without_target),
      cam_rows<FemOptions>(
          {option("deviations", &FemOptions::deviations, "standard deviations above a channel's mean")}),
      fem, forward_cost<FemOptions>);
  return definition;
}

const MethodDefinition<RandomCamOptions, Probe>& control() {
  static const MethodDefinition<RandomCamOptions, Probe> definition(
      about("random_cam", "Activations with random weights: a control that knows nothing of the target.",
            "sum_k r_k A_k, r_k uniform in [-1,1]", "a control",
            "a function of the seed; the same map for every target"),
      cam_rows<RandomCamOptions>({option("seed", &RandomCamOptions::seed, "of the weights")}), random_cam,
      forward_cost<RandomCamOptions>);
  return definition;
}

/// Maps that are functions of the layer's value alone.
template <class Definition, class Options, class Cells>
std::vector<Explanation> explain_activation(const Definition& definition, const Probe& probe, const Tensor& inputs,
                                            const Options& options, const Execution& execution, const Cells& cells) {
  return definition.run(probe, inputs, options, execution, [&](MethodRun& run) {
    explain_by_cam(run, probe, settings_of(definition.info().name, options), 1, [&](CamView& view) {
      run.count(1, 0);
      return view.for_all_targets(cells(view));
    });
  });
}

Tensor rare_terms(const Tensor& a, double deviations) {
  const Tensor mean = a.mean({1, 2}, /*keepdim=*/true);
  const Tensor deviation = a.std(at::IntArrayRef({1, 2}), /*unbiased=*/false, /*keepdim=*/true);
  return a.ge(mean + deviations * deviation) * mean;
}

/// [K,1,1], uniform in [-1,1].
Tensor random_weights(int64_t channels, uint64_t seed) {
  const Tensor weights = at::empty({channels, 1, 1}, at::kFloat);
  for (int64_t k = 0; k < channels; ++k)
    weights.data_ptr<float>()[k] =
        static_cast<float>(2 * Random(seed, RandomStream::weights, static_cast<uint64_t>(k)).uniform() - 1);
  return weights;
}

}  // namespace

MethodList activation_cam_methods() { return {&eigen(), &eigen_gradient(), &rare(), &control()}; }

std::vector<Explanation> eigen_cam(const Probe& probe, const Tensor& inputs, const EigenCamOptions& options,
                                   const Execution& execution) {
  return explain_activation(eigen(), probe, inputs, options, execution,
                            [](const CamView& view) { return first_principal_component(view.activation()); });
}

std::vector<Explanation> eigen_gradcam(const Probe& probe, const Tensor& inputs, const EigenCamOptions& options,
                                       const Execution& execution) {
  return eigen_gradient().run(probe, inputs, options, execution, [&](MethodRun& run) {
    CamSettings settings = settings_of("eigen_gradcam", options);
    settings.principal = true;
    explain_by_gradient(run, probe, settings, [](const Tensor& a, const Tensor& g) { return g * a; });
  });
}

std::vector<Explanation> fem(const Probe& probe, const Tensor& inputs, const FemOptions& options,
                             const Execution& execution) {
  return explain_activation(rare(), probe, inputs, options, execution, [&](const CamView& view) {
    return view.evidence(rare_terms(view.activation(), options.deviations));
  });
}

std::vector<Explanation> random_cam(const Probe& probe, const Tensor& inputs, const RandomCamOptions& options,
                                    const Execution& execution) {
  return explain_activation(control(), probe, inputs, options, execution, [&](const CamView& view) {
    const Tensor a = view.activation();
    return view.evidence(random_weights(a.size(0), options.seed).to(a.options()) * a);
  });
}

}  // namespace vitrail
