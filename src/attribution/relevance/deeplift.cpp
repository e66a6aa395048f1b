#include <vitrail/deeplift.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/relevance/record.h"
#include "attribution/relevance/walk.h"

namespace vitrail {

namespace {

Method::Cost cost(const DeepLiftOptions&, int64_t, int64_t, int64_t targets) { return {2, targets}; }

const MethodDefinition<DeepLiftOptions, Probe>& definition() {
  static const MethodDefinition<DeepLiftOptions, Probe> definition(
      {.name = "deeplift",
       .family = "relevance",
       .summary = "The score's rise from a baseline, divided by how every operator's output differs from there.",
       .formula = "R_i = (x_i - b_i) m_i, m the product of delta out / delta in along the operators",
       .cost = "2 forwards, 1 backward a target",
       .guarantees = "completeness: the map adds up to score - score(baseline) within the reported gap; deterministic",
       .source = "Shrikumar, Greenside, Kundaje: Learning Important Features, ICML 2017 (rescale rule)",
       .access = Access::graph,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<DeepLiftOptions>({
          option("baseline", &DeepLiftOptions::baseline,
                 "what the input is compared with: zero, black, white, a pixel value, mean, blur, noise, uniform or "
                 "dataset:DIR"),
      }),
      deeplift, cost);
  return definition;
}

void warn_of_gap(Explanation& result, double rise) {
  constexpr double tolerance = 0.01;
  const double gap = *result.completeness_gap;
  if (std::abs(gap) > tolerance * std::abs(rise))
    result.warnings.push_back("The completeness gap " + write_value(static_cast<float>(gap)) + " exceeds " +
                              write_value(tolerance) + " of the score's rise from the baseline, " +
                              write_value(static_cast<float>(rise)) + ": " +
                              (result.plan.contains("default_rule")
                                   ? "operators without a rule of their own were averaged over too few points."
                                   : "the scores of input and baseline are close, or rounding is large."));
}

}  // namespace

const MethodEntry& deeplift_method() { return definition(); }

std::vector<Explanation> deeplift(const Probe& probe, const Tensor& inputs, const DeepLiftOptions& options,
                                  const Execution& execution) {
  return definition().run(probe, inputs, options, execution, [&](MethodRun& run) {
    const RelevanceGraph graph(model_of(probe, "deeplift"), /*merge=*/false);
    const Tensor& input = run.input();
    for (Explanation& result : run.results()) result.map = at::zeros({run.height(), run.width()}, at::kFloat);
    if (run.should_stop()) return;
    const Tensor baseline = options.baseline.resolve(input, probe).expand_as(input).contiguous();
    const Tensors here = graph.forward(input.unsqueeze(0)), there = graph.forward(baseline.unsqueeze(0));
    run.count(2, 0);
    const Tensor &value = here[graph.output()], &base = there[graph.output()];
    const Tensor score = scores_at(graph, input, value, probe.targets());
    const Tensor rise = score.to(at::kDouble) - scores_at(graph, input, base, probe.targets()).to(at::kDouble);
    run.set_scores(score);
    Walk walk;
    walk.rules = Walk::Rules::deeplift;
    walk.baseline = &there;
    for (size_t t = 0; t < run.results().size(); ++t) {
      if (run.should_stop()) return;
      Explanation& result = run.results()[t];
      const WalkResult found = walk_back(graph, here, target_gradient(graph, input, value, result.target, base), walk);
      run.count(0, 1);
      const Tensor multipliers = as_planes(graph, found.at_input, input);
      result.map = (multipliers * (input - baseline)).sum(0);
      const double expected = rise[static_cast<int64_t>(t)].item<double>();
      result.completeness_gap = result.map.sum(at::kDouble).item<double>() - expected;
      record_rules(result, found);
      warn_of_gap(result, expected);
    }
  });
}

std::vector<Explanation> deeplift(const Model& model, const Image& image, const std::string& target,
                                  const DeepLiftOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return deeplift(probe, input, options); });
}

}  // namespace vitrail
