#include <vitrail/smoothgrad.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "attribution/explain_image.h"
#include "attribution/gradient/noise.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/maps.h"
#include "attribution/method_impl.h"
#include "attribution/moments.h"

namespace vitrail {

namespace {

using Definition = MethodDefinition<SmoothGradOptions, DifferentiableScorer>;

/// What a sample's gradient [C,H,W] adds to the map, given the mean of the `before` gradients before it.
struct Term {
  Tensor (*of)(const Tensor& gradient, const Tensor& mean, double before);
  int64_t first;  ///< sample that has a term; of those that need no mean, 0
};

const Term itself{[](const Tensor& gradient, const Tensor&, double) { return gradient; }, 0};
const Term square{[](const Tensor& gradient, const Tensor&, double) { return gradient.square(); }, 0};
const Term squared_deviation{[](const Tensor& gradient, const Tensor& mean, double before) {
                               return (gradient - mean).square() * (before / (before + 1));
                             },
                             1};

Method::Cost cost(const SmoothGradOptions& options, int64_t, int64_t, int64_t targets) {
  return {options.samples, options.samples * targets};
}

MethodInfo about(std::string name, std::string summary, std::string formula, std::string linear, std::string source,
                 bool is_signed) {
  return {
      .name = std::move(name),
      .family = "gradient",
      .summary = std::move(summary),
      .formula = std::move(formula),
      .cost = "samples forwards, samples backwards a target",
      .guarantees = "sampled, with a standard-error map; " + linear + " for a linear score; valid when stopped early",
      .source = std::move(source),
      .access = Access::gradient,
      .repeats_gradients = true,
      .is_signed = is_signed,
      .unit = is_signed ? "logit per input unit" : "logit^2 per input unit^2"};
}

/// `least`: samples without which there is no map.
OptionTable<SmoothGradOptions> table(double least) {
  return {{
      option("samples", &SmoothGradOptions::samples, "noisy copies", at_least(least)),
      option("noise", &SmoothGradOptions::noise, "standard deviation as a share of the input's range", at_least(0)),
      reducer_option(&SmoothGradOptions::reducer),
      option("seed", &SmoothGradOptions::seed, "of the noise"),
  }};
}

const Definition& smooth() {
  static const Definition definition(
      about("smoothgrad", "The score's gradient averaged over noisy copies of the input.",
            "mean_i dg/dx(x + xi_i), xi_i ~ N(0, sigma^2)", "w",
            "Smilkov, Thorat, Kim, Viegas, Wattenberg: SmoothGrad, arXiv 1706.03825, 2017", true),
      table(1), smoothgrad, cost);
  return definition;
}

const Definition& squared() {
  static const Definition definition(
      about("squaregrad", "The square of the score's gradient averaged over noisy copies of the input.",
            "mean_i (dg/dx(x + xi_i))^2, xi_i ~ N(0, sigma^2)", "w^2",
            "Hooker, Erhan, Kindermans, Kim: A Benchmark for Interpretability Methods, NeurIPS 2019", false),
      table(1), squaregrad, cost);
  return definition;
}

const Definition& variance() {
  static const Definition definition(
      about("vargrad", "The variance of the score's gradient over noisy copies of the input.",
            "sum_i (g_i - mean g)^2 / (n - 1), g_i = dg/dx(x + xi_i), xi_i ~ N(0, sigma^2)", "unbiased; 0",
            "Adebayo, Gilmer, Goodfellow, Kim: Local Explanation Methods, arXiv 1810.03307, 2018", false),
      table(2), vargrad, cost);
  return definition;
}

/// The running mean of gradients, where terms ask for it, and the moments of the terms.
struct Sums {
  Tensor mean;  ///< float64 [C,H,W]
  RunningMoments terms;
  int64_t samples = 0;

  void add(const Tensor& gradient, const Term& term, Reducer reducer) {
    if (term.first == 0) {
      terms.add(reduce_channels(term.of(gradient, {}, 0), reducer));
      return;
    }
    const Tensor wide = gradient.to(at::kDouble);
    if (samples >= term.first) terms.add(reduce_channels(term.of(wide, mean, static_cast<double>(samples)), reducer));
    mean = mean + (wide - mean) / static_cast<double>(++samples);
  }
};

std::vector<Explanation> average(const Definition& definition, const Term& term, const DifferentiableScorer& scorer,
                                 const Tensor& inputs, const SmoothGradOptions& options, const Execution& execution) {
  return definition.run(scorer, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, scorer);
    const double sigma = options.noise * range_of(run.input());
    const Tensor zeros = at::zeros(run.input().sizes(), run.input().options().dtype(at::kDouble));
    std::vector<Sums> sums(run.results().size(), {zeros, {zeros[0], zeros[0]}});
    int64_t done = 0;
    while (const int64_t n = run.next_chunk(options.samples - done, 1 + run.targets())) {
      const Tensor samples = run.input() + draw_noise(run.input(), options.seed, done, n) * sigma;
      const auto gradients = target_gradients(run, scorer, samples).gradients;
      for (size_t t = 0; t < sums.size(); ++t)
        for (int64_t i = 0; i < n; ++i) sums[t].add(gradients[t][i], term, options.reducer);
      done += n;
    }
    for (size_t t = 0; t < sums.size(); ++t) {
      Explanation& result = run.results()[t];
      result.map = sums[t].terms.mean;
      if (sums[t].terms.count > 1) result.standard_error = sums[t].terms.standard_error();
      result.plan["samples"] = std::to_string(done);
      result.plan["sigma"] = write_value(static_cast<float>(sigma));
    }
  });
}

}  // namespace

const MethodEntry& smoothgrad_method() { return smooth(); }
const MethodEntry& squaregrad_method() { return squared(); }
const MethodEntry& vargrad_method() { return variance(); }

std::vector<Explanation> smoothgrad(const DifferentiableScorer& scorer, const Tensor& inputs,
                                    const SmoothGradOptions& options, const Execution& execution) {
  return average(smooth(), itself, scorer, inputs, options, execution);
}

std::vector<Explanation> squaregrad(const DifferentiableScorer& scorer, const Tensor& inputs,
                                    const SmoothGradOptions& options, const Execution& execution) {
  return average(squared(), square, scorer, inputs, options, execution);
}

std::vector<Explanation> vargrad(const DifferentiableScorer& scorer, const Tensor& inputs,
                                 const SmoothGradOptions& options, const Execution& execution) {
  return average(variance(), squared_deviation, scorer, inputs, options, execution);
}

std::vector<Explanation> smoothgrad(const Model& model, const Image& image, const std::string& target,
                                    const SmoothGradOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return smoothgrad(probe, input, options); });
}

std::vector<Explanation> squaregrad(const Model& model, const Image& image, const std::string& target,
                                    const SmoothGradOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return squaregrad(probe, input, options); });
}

std::vector<Explanation> vargrad(const Model& model, const Image& image, const std::string& target,
                                 const SmoothGradOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return vargrad(probe, input, options); });
}

}  // namespace vitrail
