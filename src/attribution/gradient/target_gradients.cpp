#include "attribution/gradient/target_gradients.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <vitrail/graph.h>

#include <algorithm>

namespace vitrail {

TargetGradients gradients_of_scores(MethodRun& run, const Tensor& scores, const Tensor& z,
                                    const std::vector<bool>& wanted) {
  TargetGradients result{check_scores(scores, z.size(0), run.targets()), Tensors(wanted.size())};
  const auto backwards = std::count(wanted.begin(), wanted.end(), true);
  auto left = backwards;
  for (size_t t = 0; t < wanted.size(); ++t) {
    if (!wanted[t]) continue;
    // Samples do not see each other, so the gradient of their sum holds the gradient of each.
    const Tensor sum = scores.select(1, static_cast<int64_t>(t)).sum();
    result.gradients[t] = gradient({sum}, {z}, {}, /*create_graph=*/false, /*retain_graph=*/--left > 0)[0];
  }
  run.count(z.size(0), backwards * z.size(0));
  return result;
}

TargetGradients target_gradients(MethodRun& run, const DifferentiableScorer& scorer, const Tensor& samples,
                                 const std::vector<bool>& wanted, BackwardRule rule) {
  const at::AutoGradMode recording(true);
  const std::vector<bool> asked = wanted.empty() ? std::vector<bool>(static_cast<size_t>(run.targets()), true) : wanted;
  std::vector<TargetGradients> pieces;
  const auto differentiate = [&](int64_t first, int64_t n) {
    const Tensor inputs = samples.narrow(0, first, n).detach().requires_grad_(true);
    const Tensor scores =
        rule == BackwardRule::plain ? scorer.differentiable_score(inputs) : scorer.score_with_rule(inputs, rule);
    pieces.push_back(gradients_of_scores(run, scores, inputs, asked));
  };
  run.in_batches(samples.size(0), differentiate, scorer.gradient_batch());
  if (pieces.size() == 1) return pieces[0];
  TargetGradients whole{{}, Tensors(asked.size())};
  const auto join = [&](const auto& part) {
    Tensors parts;
    for (const TargetGradients& piece : pieces) parts.push_back(part(piece));
    return at::cat(parts);
  };
  whole.scores = join([](const TargetGradients& piece) { return piece.scores; });
  for (size_t t = 0; t < asked.size(); ++t)
    if (asked[t]) whole.gradients[t] = join([t](const TargetGradients& piece) { return piece.gradients[t]; });
  return whole;
}

void warn_of_flat_operators(MethodRun& run, const DifferentiableScorer& scorer) {
  const auto nodes = scorer.gradient_warnings();
  if (!nodes.empty())
    run.warn("The gradient is zero almost everywhere through " + join(nodes) +
             ": the map lacks what passes there. A black-box method such as sobol needs no gradient.");
  for (Explanation& result : run.results())
    if (!result.target.gradient_warning.empty()) result.warnings.push_back(result.target.gradient_warning);
}

}  // namespace vitrail
