#include <vitrail/infidelity.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include "attribution/maps.h"
#include "attribution/random.h"
#include "evaluation/case_run.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

/// Standard normal numbers, float32 [1,H,W].
Tensor noise_plane(int64_t height, int64_t width, uint64_t seed, int64_t sample) {
  Random random(seed, RandomStream::noise, static_cast<uint64_t>(sample));
  Tensor values = at::empty({1, height, width}, at::kFloat);
  random.fill_normal({values.mutable_data_ptr<float>(), static_cast<size_t>(values.numel())});
  return values;
}

const MetricDefinition<InfidelityOptions>& definition() {
  using Options = InfidelityOptions;
  static const MetricDefinition<Options> definition(
      {.name = "infidelity",
       .family = "fidelity",
       .summary = "How far the map is from telling what noise on the photo does to the score.",
       .formula = "mean over I of (beta <I, phi> - (g(x) - g(x - I)))^2",
       .direction = Direction::lower,
       .evidence = Evidence::scores,
       .range = "0 and more, the square of the score's",
       .cost = "samples + 1",
       .source = "Yeh, Hsieh, Suggala, Inouye, Ravikumar, NeurIPS 2019"},
      OptionTable<Options>(
          {option("samples", &Options::samples, "noises drawn: the forwards", at_least(2)),
           option("noise", &Options::noise, "standard deviation, as a share of the input's range", positive()),
           option("scaled", &Options::scaled, "the map is scaled by its best factor first"),
           activation_row<Options>(&Options::activation), option("seed", &Options::seed, "of the noise")}),
      infidelity);
  return definition;
}

}  // namespace

const MetricEntry& infidelity_metric() { return definition(); }

MetricScore infidelity(const MetricCase& map, const InfidelityOptions& options) {
  return definition().run(map, options, [&] {
    const double deviation = options.noise * range_of(map.input);
    if (!(deviation > 0)) return undefined_score("the photo is constant: the noise has no scale");
    const auto noise = [&](int64_t sample) {
      return noise_plane(map.map.size(0), map.map.size(1), options.seed, sample) * deviation;
    };
    CaseRun run(map, options.activation);
    Tensor said = at::empty({options.samples}, at::kDouble);
    const Tensor phi = map.map.to(at::kDouble);
    const Tensor scores = run.score(options.samples, [&](int64_t first, int64_t n) {
      Tensors noisy;
      for (int64_t i = first; i < first + n; ++i) {
        const Tensor drawn = noise(i);
        said[i] = (drawn[0].to(at::kDouble) * phi).sum();
        noisy.push_back(map.input - drawn.to(map.input.dtype()));
      }
      return at::stack(noisy);
    });
    const Tensor drops = run.base() - scores;
    const double square = said.square().sum().item<double>();
    const double beta = options.scaled && square > 0 ? (said * drops).sum().item<double>() / square : 1;
    MetricScore score;
    score.value = (beta * said - drops).square().mean().item<double>();
    score.forwards = run.forwards();
    score.parts = {{"beta", beta}};
    return score;
  });
}

}  // namespace vitrail
