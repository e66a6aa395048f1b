#include <vitrail/smoothgrad.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "attribution/explain_image.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/maps.h"
#include "attribution/method_impl.h"
#include "attribution/random.h"

namespace vitrail {

namespace {

Method::Cost cost(const SmoothGradOptions& options, int64_t, int64_t, int64_t targets) {
  return {options.samples, options.samples * targets};
}

const MethodDefinition<SmoothGradOptions, DifferentiableScorer>& definition() {
  static const MethodDefinition<SmoothGradOptions, DifferentiableScorer> definition(
      {.name = "smoothgrad",
       .family = "gradient",
       .summary = "The score's gradient averaged over noisy copies of the input.",
       .cost = "samples forwards, samples backwards a target",
       .guarantees = "sampled, with a standard-error map; w for a linear score; valid when stopped early",
       .source = "Smilkov, Thorat, Kim, Viegas, Wattenberg: SmoothGrad, arXiv 1706.03825, 2017",
       .access = Access::gradient,
       .is_signed = true,
       .unit = "logit per input unit"},
      OptionTable<SmoothGradOptions>({
          option("samples", &SmoothGradOptions::samples, "noisy copies", at_least(1)),
          option("noise", &SmoothGradOptions::noise, "standard deviation as a share of the input's range", at_least(0)),
          reducer_option(&SmoothGradOptions::reducer),
          option("seed", &SmoothGradOptions::seed, "of the noise"),
      }),
      smoothgrad, cost);
  return definition;
}

/// Mean and sum of squared deviations of maps, one at a time (Welford 1962): no cancellation, any number.
struct RunningMoments {
  Tensor mean, squares;  // float64 [H,W]
  int64_t count = 0;

  void add(const Tensor& map) {
    const Tensor before = map - mean;
    mean = mean + before / static_cast<double>(++count);
    squares = squares + before * (map - mean);
  }
  Tensor standard_error() const {
    const auto n = static_cast<double>(count);
    return (squares / (n * (n - 1))).sqrt();
  }
};

/// Standard normal numbers for samples first .. first + count - 1, [count,C,H,W].
Tensor draw_noise(const Tensor& input, uint64_t seed, int64_t first, int64_t count) {
  const Tensor noise = at::empty({count, input.size(0), input.size(1), input.size(2)}, at::kFloat);
  const auto size = static_cast<size_t>(input.numel());
  for (int64_t i = 0; i < count; ++i)
    Random(seed, RandomStream::noise, static_cast<uint64_t>(first + i))
        .fill_normal({noise.data_ptr<float>() + static_cast<size_t>(i) * size, size});
  return noise.to(input.options());
}

}  // namespace

const MethodEntry& smoothgrad_method() { return definition(); }

std::vector<Explanation> smoothgrad(const DifferentiableScorer& scorer, const Tensor& inputs,
                                    const SmoothGradOptions& options, const Execution& execution) {
  return definition().run(scorer, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, scorer);
    const double sigma = options.noise * range_of(run.input());
    const Tensor zero = at::zeros({run.height(), run.width()}, run.input().options().dtype(at::kDouble));
    std::vector<RunningMoments> moments(run.results().size(), {zero, zero});
    int64_t done = 0;
    while (const int64_t n = run.next_chunk(options.samples - done, 1 + run.targets())) {
      const Tensor samples = run.input() + draw_noise(run.input(), options.seed, done, n) * sigma;
      const auto gradients = target_gradients(run, scorer, samples).gradients;
      for (size_t t = 0; t < moments.size(); ++t)
        for (int64_t i = 0; i < n; ++i)
          moments[t].add(reduce_channels(gradients[t][i].to(at::kDouble), options.reducer));
      done += n;
    }
    for (size_t t = 0; t < moments.size(); ++t) {
      Explanation& result = run.results()[t];
      result.map = moments[t].mean;
      if (done > 1) result.standard_error = moments[t].standard_error();
      result.plan["samples"] = std::to_string(done);
      result.plan["sigma"] = write_value(static_cast<float>(sigma));
    }
  });
}

std::vector<Explanation> smoothgrad(const Model& model, const Image& image, const std::string& target,
                                    const SmoothGradOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return smoothgrad(probe, input, options); });
}

}  // namespace vitrail
