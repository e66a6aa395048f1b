#include <vitrail/blur_ig.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "attribution/blur.h"
#include "attribution/explain_image.h"
#include "attribution/gradient/path_sum.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

using Options = BlurIgOptions;

Method::Cost cost(const Options& options, int64_t, int64_t, int64_t targets) {
  return {options.steps + 1, (options.steps + 1) * targets};
}

const MethodDefinition<Options, DifferentiableScorer>& definition() {
  static const MethodDefinition<Options, DifferentiableScorer> definition(
      {.name = "blur_ig",
       .family = "gradient",
       .summary = "Integrated gradients on the path from a blurred photo to the sharp one.",
       .formula = "sum over channels of the integral over s from sigma to 0 of dg/dx(blur(x, s)) * d blur(x, s)/ds",
       .cost = "steps + 1 forwards, steps + 1 backwards a target",
       .guarantees = "completeness: the map adds up to score - score(blurred) within the reported gap",
       .source = "Xu, Venugopalan, Sundararajan: Attribution in Scale and Space, CVPR 2020",
       .access = Access::gradient,
       .repeats_gradients = true,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>({
          option("steps", &Options::steps, "intervals of the path", at_least(1)),
          option("sigma", &Options::sigma, "the strongest blur in pixels; 0: 50 at 224 pixels", between(0, 1000)),
      }),
      blur_ig, cost);
  return definition;
}

constexpr double sigma_of_side = 50. / 224;

void explain_input(MethodRun& run, const DifferentiableScorer& scorer, const Options& options) {
  const double shorter = static_cast<double>(std::min(run.height(), run.width()));
  const double sigma = options.sigma > 0 ? options.sigma : sigma_of_side * shorter;
  std::vector<PathSum> sums(run.results().size());
  Tensor first, last;  // scores of the ends
  int64_t done = 0;
  while (const int64_t n = run.next_chunk(options.steps + 1 - done, 1 + run.targets())) {
    Tensors points;
    for (int64_t k = done; k < done + n; ++k) {
      const double share = static_cast<double>(k) / static_cast<double>(options.steps);
      points.push_back(gaussian_blur(run.input(), sigma * share * share));
    }
    const auto [scores, gradients] = target_gradients(run, scorer, at::stack(points));
    if (done == 0) run.set_scores(first = scores[0]);
    last = scores[n - 1];
    for (size_t t = 0; t < sums.size(); ++t)
      for (int64_t i = 0; i < n; ++i) sums[t].add(points[static_cast<size_t>(i)], gradients[t][i]);
    done += n;
  }
  if (run.stopped())
    run.warn("Stopped after " + std::to_string(done) + " of " + std::to_string(options.steps + 1) +
             " points: the map holds what the last touches of focus add, and lacks the strong blurs.");
  for (size_t t = 0; t < sums.size(); ++t) {
    Explanation& result = run.results()[t];
    result.map = done == 0 ? at::zeros({run.height(), run.width()}, at::kDouble) : -sums[t].total().sum(0);
    result.plan["sigma"] = write_value(static_cast<float>(sigma));
    if (run.stopped()) continue;
    const auto index = static_cast<int64_t>(t);
    result.completeness_gap = result.map.sum().item<double>() - (first[index] - last[index]).item<double>();
  }
}

}  // namespace

const MethodEntry& blur_ig_method() { return definition(); }

std::vector<Explanation> blur_ig(const DifferentiableScorer& scorer, const Tensor& inputs, const Options& options,
                                 const Execution& execution) {
  return definition().run(scorer, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, scorer);
    explain_input(run, scorer, options);
  });
}

std::vector<Explanation> blur_ig(const Model& model, const Image& image, const std::string& target,
                                 const Options& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return blur_ig(probe, input, options); });
}

}  // namespace vitrail
