#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/scalar_tensor.h>
#include <vitrail/cam.h>

#include "attribution/cam/block_sums.h"
#include "attribution/cam/gradient_evidence.h"
#include "attribution/gradient/noise.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/maps.h"

namespace vitrail {

namespace {

/// Terms [K,h,w] from the activation and the mean first, second and third power of its gradient.
Tensor plus_plus(const Tensor& a, const Tensor& g, const Tensor& g2, const Tensor& g3, ChannelActivation channel) {
  const bool sum = channel == ChannelActivation::sum;
  const Tensor s = sum ? a.sum({1, 2}, /*keepdim=*/true) : a.mean({1, 2}, /*keepdim=*/true);
  const Tensor denominator = 2 * g2 + g3 * s;
  const Tensor rates = g2 / denominator.masked_fill(denominator == 0, 1e-4);
  return (rates * g.relu()).mean({1, 2}, /*keepdim=*/true) * a;
}

template <class Options>
Option<Options> activation_row() {
  return choice("activation", &Options::activation, "of a whole channel, s_k: over its positions",
                {{"sum", ChannelActivation::sum}, {"mean", ChannelActivation::mean}});
}

Method::Cost cost(const GradCamPPOptions& options, int64_t, int64_t, int64_t targets) {
  return cost_of_views(options, {1, targets});
}

Method::Cost smooth_cost(const SmoothGradCamPPOptions& options, int64_t, int64_t, int64_t targets) {
  return cost_of_views(options, {options.samples + 1, options.samples * targets});
}

const MethodDefinition<GradCamPPOptions, Probe>& definition() {
  static const MethodDefinition<GradCamPPOptions, Probe> definition(
      {.name = "gradcam_pp",
       .family = "cam",
       .summary = "Grad-CAM whose weights favour positions with a positive gradient.",
       .formula = "sum_k alpha_k A_k, alpha_k = mean(G_k^2 / (2 G_k^2 + G_k^3 s_k) * ReLU(G_k)), G = dg/dA",
       .cost = "1 forward, 1 backward a target behind the layer",
       .guarantees = "exact and deterministic",
       .source = "Chattopadhay, Sarkar, Howlader, Balasubramanian: Grad-CAM++, WACV 2018",
       .access = Access::layer,
       .is_signed = true,
       .unit = "logit"},
      cam_rows<GradCamPPOptions>({activation_row<GradCamPPOptions>()}), gradcam_pp, cost);
  return definition;
}

const MethodDefinition<SmoothGradCamPPOptions, Probe>& smooth_definition() {
  using Options = SmoothGradCamPPOptions;
  static const MethodDefinition<Options, Probe> definition(
      {.name = "smooth_gradcam_pp",
       .family = "cam",
       .summary = "Grad-CAM++ whose gradients are averaged over noisy copies of the input.",
       .formula =
           "sum_k alpha_k A_k, alpha_k = mean(E[G_k^2] / (2 E[G_k^2] + E[G_k^3] s_k) * ReLU(E[G_k])), E over noise",
       .cost = "samples + 1 forwards, samples backwards a target behind the layer",
       .guarantees = "sampled, with a standard-error map; gradcam_pp without noise; valid when stopped early",
       .source = "Omeiza, Speakman, Cintas, Weldermariam: Smooth Grad-CAM++, 2019",
       .access = Access::layer,
       .is_signed = true,
       .unit = "logit"},
      cam_rows<Options>({
          activation_row<Options>(),
          option("samples", &Options::samples, "noisy copies", at_least(1)),
          option("noise", &Options::noise, "standard deviation as a share of the input's range", at_least(0)),
          option("seed", &Options::seed, "of the noise"),
      }),
      smooth_gradcam_pp, smooth_cost);
  return definition;
}

/// Adds the powers of each sample's gradients to the sums of each target.
void add_samples(CamView& view, const Tensor& samples, int64_t first, std::vector<BlockSums>& sums) {
  MethodRun& run = view.run();
  run.in_batches(samples.size(0), [&](int64_t from, int64_t n) {
    const at::AutoGradMode recording(true);
    const auto suffix = view.probe().suffix(samples.narrow(0, from, n), view.layer());
    const Tensor leaf = suffix->activation().detach().requires_grad_(true);
    const std::vector<bool> all(sums.size(), true);
    const auto [scores, gradients] = gradients_of_scores(run, suffix->score(leaf), leaf, all);
    for (size_t t = 0; t < sums.size(); ++t)
      for (int64_t i = 0; i < n; ++i) {
        const Tensor g = gradients[t][i].to(at::kDouble), one = at::scalar_tensor(1, g.options());
        sums[t].add(first + from + i, {g, g.square(), g.pow(3), one});
      }
  });
}

std::vector<CamEvidence> smooth_evidence(CamView& view, const SmoothGradCamPPOptions& options) {
  MethodRun& run = view.run();
  const double sigma = options.noise * range_of(run.input());
  std::vector<BlockSums> sums(run.results().size());
  run.count(1, 0);  // the layer's value without noise
  int64_t done = 0;
  while (const int64_t n = run.next_chunk(options.samples - done, 1 + run.targets())) {
    add_samples(view, view.input() + draw_noise(run.input(), options.seed, done, n) * sigma, done, sums);
    done += n;
  }
  std::vector<CamEvidence> evidence;
  if (done == 0) return evidence;
  const Tensor a = view.activation().to(at::kDouble);
  for (size_t t = 0; t < sums.size(); ++t) {
    evidence.push_back(sums[t].estimate([&](const Tensors& total) {
      const Tensor& n = total[3];
      return view.evidence(plus_plus(a, total[0] / n, total[1] / n, total[2] / n, options.activation));
    }));
    run.results()[t].plan["samples"] = std::to_string(done);
  }
  return evidence;
}

}  // namespace

const MethodEntry& gradcam_pp_method() { return definition(); }
const MethodEntry& smooth_gradcam_pp_method() { return smooth_definition(); }

std::vector<Explanation> gradcam_pp(const Probe& probe, const Tensor& inputs, const GradCamPPOptions& options,
                                    const Execution& execution) {
  return definition().run(probe, inputs, options, execution, [&](MethodRun& run) {
    explain_by_gradient(run, probe, settings_of("gradcam_pp", options), [&](const Tensor& a, const Tensor& g) {
      return plus_plus(a, g, g.square(), g.pow(3), options.activation);
    });
  });
}

std::vector<Explanation> smooth_gradcam_pp(const Probe& probe, const Tensor& inputs,
                                           const SmoothGradCamPPOptions& options, const Execution& execution) {
  return smooth_definition().run(probe, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, probe);
    explain_by_cam(run, probe, settings_of("smooth_gradcam_pp", options), 2 + run.targets(),
                   [&](CamView& view) { return smooth_evidence(view, options); });
  });
}

}  // namespace vitrail
