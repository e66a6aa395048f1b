#include <vitrail/expected_gradients.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "attribution/explain_image.h"
#include "attribution/gradient/noise.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/maps.h"
#include "attribution/method_impl.h"
#include "attribution/moments.h"
#include "attribution/random.h"

namespace vitrail {

namespace {

using Options = ExpectedGradientsOptions;

Method::Cost cost(const Options& options, int64_t, int64_t, int64_t targets) {
  return {1 + 2 * options.samples, options.samples * targets};
}

const MethodDefinition<Options, DifferentiableScorer>& definition() {
  static const MethodDefinition<Options, DifferentiableScorer> definition(
      {.name = "expected_gradients",
       .family = "gradient",
       .aliases = {"gradient_shap"},
       .summary = "Integrated gradients averaged over random baselines: the score's rise divided among the pixels.",
       .formula = "mean over b, a of the sum over channels of (x - b) * dg/dx(b + a (x - b)), a uniform in [0,1]",
       .cost = "1 + 2 samples forwards, samples backwards a target",
       .guarantees = "sampled, with a standard-error map; completeness in expectation; valid when stopped early",
       .source = "Erion, Janizek, Sturmfels, Lundberg, Lee: Expected gradients, Nature Machine Intelligence 2021",
       .access = Access::gradient,
       .repeats_gradients = true,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>({
          option("samples", &Options::samples, "random baselines, with one place on the way each", at_least(1)),
          option("noise", &Options::noise, "standard deviation of the baselines as a share of the input's range",
                 at_least(0)),
          choice("distribution", &Options::distribution, "of the noise on the baseline",
                 {{"normal", BaselineNoise::normal}, {"uniform", BaselineNoise::uniform}}),
          option("baseline", &Options::baseline,
                 "their centre: zero, black, white, a pixel value, mean, blur or dataset:DIR"),
          option("seed", &Options::seed, "of the baselines and the places"),
      }),
      expected_gradients, cost);
  return definition;
}

/// Noise of standard deviation 1 for samples first .. first + count - 1, [count,C,H,W].
Tensor draw(const Tensor& input, const Options& options, int64_t first, int64_t count) {
  Tensor normal = draw_noise(input, options.seed, first, count);
  if (options.distribution == BaselineNoise::normal) return normal;
  return (normal / std::sqrt(2.)).erf() * std::sqrt(3.);  // the distribution function, from [-1,1] on
}

/// A place in [0,1) for each sample, [count,1,1,1].
Tensor draw_places(const Tensor& input, uint64_t seed, int64_t first, int64_t count) {
  const Tensor places = at::empty({count, 1, 1, 1}, at::kDouble);
  for (int64_t i = 0; i < count; ++i)
    places.data_ptr<double>()[i] = Random(seed, RandomStream::path, static_cast<uint64_t>(first + i)).uniform();
  return places.to(input.options());
}

}  // namespace

const MethodEntry& expected_gradients_method() { return definition(); }

std::vector<Explanation> expected_gradients(const DifferentiableScorer& scorer, const Tensor& inputs,
                                            const Options& options, const Execution& execution) {
  return definition().run(scorer, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, scorer);
    const Tensor& x = run.input();
    const Tensor score = run.score(x.unsqueeze(0))[0];
    run.set_scores(score);
    const Tensor centre = options.baseline.resolve(x, scorer);
    const double sigma = options.noise * range_of(x);
    const Tensor zero = at::zeros({run.height(), run.width()}, x.options().dtype(at::kDouble));
    std::vector<RunningMoments> moments(run.results().size(), {zero, zero});
    Tensor baseline_scores = at::zeros_like(score);
    int64_t done = 0;
    while (const int64_t n = run.next_chunk(options.samples - done, 2 + run.targets())) {
      const Tensor baselines = centre + draw(x, options, done, n) * sigma, way = x - baselines;
      baseline_scores = baseline_scores + run.score(baselines).sum(0);
      const Tensor samples = baselines + draw_places(x, options.seed, done, n) * way;
      const auto gradients = target_gradients(run, scorer, samples).gradients;
      for (size_t t = 0; t < moments.size(); ++t)
        for (int64_t i = 0; i < n; ++i) moments[t].add((way[i].to(at::kDouble) * gradients[t][i]).sum(0));
      done += n;
    }
    for (size_t t = 0; t < moments.size(); ++t) {
      Explanation& result = run.results()[t];
      result.map = moments[t].mean;
      result.plan["samples"] = std::to_string(done);
      result.plan["sigma"] = write_value(static_cast<float>(sigma));
      if (done > 1) result.standard_error = moments[t].standard_error();
      if (done == 0) continue;
      const Tensor rise = score - baseline_scores / static_cast<double>(done);
      result.completeness_gap = result.map.sum().item<double>() - rise[static_cast<int64_t>(t)].item<double>();
    }
  });
}

std::vector<Explanation> expected_gradients(const Model& model, const Image& image, const std::string& target,
                                            const Options& options) {
  return explain_image(model, image, target, [&](const Probe& probe, const Tensor& input) {
    return expected_gradients(probe, input, options);
  });
}

}  // namespace vitrail
