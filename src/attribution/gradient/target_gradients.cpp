#include "attribution/gradient/target_gradients.h"

#include <ATen/core/grad_mode.h>
#include <vitrail/graph.h>

#include <algorithm>

namespace vitrail {

TargetGradients gradients_of_scores(MethodRun& run, const Tensor& scores, const Tensor& z,
                                    const std::vector<bool>& wanted) {
  TargetGradients result{check_scores(scores, z.size(0), run.targets()), Tensors(wanted.size())};
  auto left = std::count(wanted.begin(), wanted.end(), true);
  run.count(z.size(0), 0);
  for (size_t t = 0; t < wanted.size(); ++t) {
    if (!wanted[t]) continue;
    // Samples do not see each other, so the gradient of their sum holds the gradient of each.
    const Tensor sum = scores.select(1, static_cast<int64_t>(t)).sum();
    result.gradients[t] = gradient({sum}, {z}, {}, /*create_graph=*/false, /*retain_graph=*/--left > 0)[0];
    run.count(0, z.size(0));
  }
  return result;
}

TargetGradients target_gradients(MethodRun& run, const DifferentiableScorer& scorer, const Tensor& samples,
                                 const std::vector<bool>& wanted) {
  const at::AutoGradMode recording(true);
  const Tensor inputs = samples.detach().requires_grad_(true);
  const std::vector<bool> all(static_cast<size_t>(run.targets()), true);
  return gradients_of_scores(run, scorer.differentiable_score(inputs), inputs, wanted.empty() ? all : wanted);
}

void warn_of_flat_operators(MethodRun& run, const DifferentiableScorer& scorer) {
  const auto nodes = scorer.gradient_warnings();
  if (!nodes.empty())
    run.warn("The gradient is zero almost everywhere through " + join(nodes) +
             ": the map lacks what passes there. A black-box method such as sobol needs no gradient.");
}

}  // namespace vitrail
