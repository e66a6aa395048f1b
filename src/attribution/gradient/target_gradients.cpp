#include "attribution/gradient/target_gradients.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <vitrail/graph.h>

#include <algorithm>

namespace vitrail {

namespace {

/// d score_t / d z of every wanted target t.
TargetGradients differentiate(const Tensor& scores, const Tensor& z, const std::vector<bool>& wanted) {
  TargetGradients result{check_scores(scores, z.size(0), static_cast<int64_t>(wanted.size())), Tensors(wanted.size())};
  auto left = std::count(wanted.begin(), wanted.end(), true);
  for (size_t t = 0; t < wanted.size(); ++t) {
    if (!wanted[t]) continue;
    // Samples do not see each other, so the gradient of their sum holds the gradient of each.
    const Tensor sum = scores.select(1, static_cast<int64_t>(t)).sum();
    result.gradients[t] = gradient({sum}, {z}, {}, /*create_graph=*/false, /*retain_graph=*/--left > 0)[0];
  }
  return result;
}

/// The same of `samples` [n,C,H,W], in batches of the run; nothing is counted.
TargetGradients differentiate(MethodRun& run, const DifferentiableScorer& scorer, const Tensor& samples,
                              const std::vector<bool>& wanted, BackwardRule rule) {
  const at::AutoGradMode recording(true);
  std::vector<TargetGradients> pieces;
  const auto differentiate_piece = [&](int64_t first, int64_t n) {
    const Tensor inputs = samples.narrow(0, first, n).detach().requires_grad_(true);
    const Tensor scores =
        rule == BackwardRule::plain ? scorer.differentiable_score(inputs) : scorer.score_with_rule(inputs, rule);
    pieces.push_back(differentiate(scores, inputs, wanted));
  };
  run.in_batches(samples.size(0), differentiate_piece, scorer.gradient_batch());
  if (pieces.size() == 1) return pieces[0];
  TargetGradients whole{{}, Tensors(wanted.size())};
  const auto join = [&](const auto& part) {
    Tensors parts;
    for (const TargetGradients& piece : pieces) parts.push_back(part(piece));
    return at::cat(parts);
  };
  whole.scores = join([](const TargetGradients& piece) { return piece.scores; });
  for (size_t t = 0; t < wanted.size(); ++t)
    if (wanted[t]) whole.gradients[t] = join([t](const TargetGradients& piece) { return piece.gradients[t]; });
  return whole;
}

std::vector<bool> all_targets(const MethodRun& run) {
  return std::vector<bool>(static_cast<size_t>(run.targets()), true);
}

void count(MethodRun& run, int64_t samples, const std::vector<bool>& wanted) {
  run.count(samples, samples * std::count(wanted.begin(), wanted.end(), true));
}

}  // namespace

TargetGradients gradients_of_scores(MethodRun& run, const Tensor& scores, const Tensor& z,
                                    const std::vector<bool>& wanted) {
  TargetGradients result = differentiate(scores, z, wanted);
  count(run, z.size(0), wanted);
  return result;
}

TargetGradients target_gradients(MethodRun& run, const DifferentiableScorer& scorer, const Tensor& samples,
                                 const std::vector<bool>& wanted) {
  const std::vector<bool> asked = wanted.empty() ? all_targets(run) : wanted;
  TargetGradients result = differentiate(run, scorer, samples, asked, BackwardRule::plain);
  count(run, samples.size(0), asked);
  return result;
}

TargetGradients InputGradients::next(MethodRun& run) {
  const std::vector<bool> all = all_targets(run);
  if (first_ == 0 || taken_ == batch_.scores.size(0)) {
    const int64_t n = std::min(run.batch(), inputs_.size(0) - first_);
    batch_ = differentiate(run, scorer_, inputs_.narrow(0, first_, n), all, rule_);
    first_ += n;
    taken_ = 0;
  }
  count(run, 1, all);
  TargetGradients own{batch_.scores[taken_], {}};
  for (const Tensor& gradient : batch_.gradients) own.gradients.push_back(gradient[taken_]);
  ++taken_;
  return own;
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
