#include <vitrail/integrated_gradients.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "attribution/explain_image.h"
#include "attribution/gradient/gauss_legendre.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

using Options = IntegratedGradientsOptions;

/// How many nodes each sum has: doubled up to `max_steps`.
std::vector<int64_t> levels(const Options& options) {
  std::vector<int64_t> nodes = {std::min(options.steps, options.max_steps)};
  while (nodes.back() <= options.max_steps / 2) nodes.push_back(2 * nodes.back());
  return nodes;
}

/// At most: as if no target reached the tolerance before `max_steps`.
Method::Cost cost(const Options& options, int64_t, int64_t, int64_t targets) {
  const auto all = levels(options);
  const int64_t nodes = std::accumulate(all.begin(), all.end(), int64_t{0});
  return {2 + nodes, nodes * targets};
}

const MethodDefinition<Options, DifferentiableScorer>& definition() {
  static const MethodDefinition<Options, DifferentiableScorer> definition(
      {.name = "integrated_gradients",
       .family = "gradient",
       .aliases = {"ig"},
       .summary = "Gradients averaged on the way from a baseline: the score's rise divided among the pixels.",
       .formula = "sum over channels of (x - b) * integral over a in [0,1] of dg/dx(b + a (x - b))",
       .cost = "2 + n forwards, n backwards a target; n = steps (1 + 2 + 4 + ...), each term at most max_steps",
       .guarantees = "completeness: the map adds up to score - score(baseline) within the reported gap",
       .source = "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, ICML 2017",
       .access = Access::gradient,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>({
          option("steps", &Options::steps, "nodes of the first sum", at_least(1)),
          option("max_steps", &Options::max_steps, "the number of nodes is doubled up to this", at_least(1)),
          option("tolerance", &Options::tolerance, "largest gap as a share of |score - score(baseline)|", at_least(0)),
          option("baseline", &Options::baseline,
                 "where the path starts: zero, black, white, a pixel value, mean, blur, noise, uniform or dataset:DIR"),
      }),
      integrated_gradients, cost);
  return definition;
}

/// The straight path from the baseline to the input.
struct Path {
  Tensor baseline, difference;  // [C,H,W]
  Tensor at(const Tensor& places) const { return baseline + places.view({-1, 1, 1, 1}) * difference; }
};

struct PathAverage {
  Tensors gradients;  ///< float64 [C,H,W], one a wanted target
  int64_t nodes = 0;  ///< done; fewer than asked for where the run stopped
};

/// The average gradient on the path by an n-point rule; over the nodes done where the run stops early.
PathAverage average_gradients(MethodRun& run, const DifferentiableScorer& scorer, const Path& path, int64_t n,
                              const std::vector<bool>& wanted) {
  const Quadrature rule = gauss_legendre(n);
  const Tensor nodes = at::tensor(rule.nodes).to(path.difference.options());
  const Tensor weights = at::tensor(rule.weights, at::kDouble).to(path.difference.device()).view({-1, 1, 1, 1});
  const int64_t steps_a_node = 1 + std::count(wanted.begin(), wanted.end(), true);
  PathAverage average{Tensors(wanted.size(), at::zeros(path.difference.sizes(), weights.options())), 0};
  while (const int64_t count = run.next_chunk(n - average.nodes, steps_a_node)) {
    const Tensor samples = path.at(nodes.narrow(0, average.nodes, count));
    const auto gradients = target_gradients(run, scorer, samples, wanted).gradients;
    for (size_t t = 0; t < wanted.size(); ++t)
      if (wanted[t])
        average.gradients[t] =
            average.gradients[t] + (gradients[t].to(at::kDouble) * weights.narrow(0, average.nodes, count)).sum(0);
    average.nodes += count;
  }
  const double total = weights.narrow(0, 0, average.nodes).sum().item<double>();
  if (total > 0)
    for (Tensor& gradient : average.gradients) gradient = gradient / total;
  return average;
}

/// Doubles the number of nodes until every target's gap is small enough.
void integrate(MethodRun& run, const DifferentiableScorer& scorer, const Path& path, const Tensor& rise,
               const Options& options) {
  std::vector<bool> wanted(static_cast<size_t>(run.targets()), true);
  bool finished_one = false;
  for (const int64_t n : levels(options)) {
    if (std::count(wanted.begin(), wanted.end(), true) == 0) return;
    const PathAverage average = average_gradients(run, scorer, path, n, wanted);
    if (average.nodes < n) {
      if (finished_one) return;  // the sum before is whole and better
      run.warn("Stopped after " + std::to_string(average.nodes) + " of " + std::to_string(n) +
               " nodes: the map averages the gradient over the first part of the path only.");
    }
    for (size_t t = 0; t < wanted.size(); ++t) {
      if (!wanted[t]) continue;
      Explanation& result = run.results()[t];
      result.map = (path.difference * average.gradients[t]).sum(0);
      const double expected = rise[static_cast<int64_t>(t)].item<double>();
      const double gap = result.map.sum().item<double>() - expected;
      result.completeness_gap = gap;
      result.plan["steps"] = std::to_string(average.nodes);
      wanted[t] = !(std::abs(gap) <= options.tolerance * std::abs(expected));
    }
    if (run.stopped()) return;
    finished_one = true;
  }
}

void warn_of_gaps(MethodRun& run, const Tensor& rise, double tolerance) {
  for (size_t t = 0; t < run.results().size(); ++t) {
    Explanation& result = run.results()[t];
    const double expected = rise[static_cast<int64_t>(t)].item<double>();
    if (std::abs(*result.completeness_gap) > tolerance * std::abs(expected))
      result.warnings.push_back("The completeness gap " + write_value(static_cast<float>(*result.completeness_gap)) +
                                " exceeds " + write_value(tolerance) + " of the score's rise from the baseline, " +
                                write_value(static_cast<float>(expected)) + ". Raise max_steps or the tolerance.");
  }
}

}  // namespace

const MethodEntry& integrated_gradients_method() { return definition(); }

std::vector<Explanation> integrated_gradients(const DifferentiableScorer& scorer, const Tensor& inputs,
                                              const Options& options, const Execution& execution) {
  return definition().run(scorer, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, scorer);
    const Tensor baseline = options.baseline.resolve(run.input(), scorer).expand_as(run.input());
    const Tensor ends = run.score(at::stack({run.input(), baseline}));
    const Tensor rise = ends[0] - ends[1];
    run.set_scores(ends[0]);
    integrate(run, scorer, {baseline, run.input() - baseline}, rise, options);
    warn_of_gaps(run, rise, options.tolerance);
  });
}

std::vector<Explanation> integrated_gradients(const Model& model, const Image& image, const std::string& target,
                                              const Options& options) {
  return explain_image(model, image, target, [&](const Probe& probe, const Tensor& input) {
    return integrated_gradients(probe, input, options);
  });
}

}  // namespace vitrail
