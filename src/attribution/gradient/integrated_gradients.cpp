#include <vitrail/integrated_gradients.h>

#include <algorithm>

#include "attribution/explain_image.h"
#include "attribution/gradient/path_integral.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

using Options = IntegratedGradientsOptions;

PathRule rule_of(const Options& options) { return {options.steps, options.max_steps, options.tolerance}; }

Method::Cost cost(const Options& options, int64_t, int64_t, int64_t targets) {
  return cost_of(rule_of(options), targets);
}

const MethodDefinition<Options, DifferentiableScorer>& definition() {
  static const MethodDefinition<Options, DifferentiableScorer> definition(
      {.name = "integrated_gradients",
       .family = "gradient",
       .aliases = {"ig"},
       .summary = "Gradients averaged on the way from a baseline: the score's rise divided among the pixels.",
       .formula = "sum over channels of (x - b) * integral over a in [0,1] of dg/dx(b + a (x - b))",
       .cost = "n + 1 forwards and backwards a target, steps <= n <= max_steps; the first steps + 1 forwards serve all",
       .guarantees = "completeness: the map adds up to score - score(baseline) within the reported gap",
       .source = "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, ICML 2017",
       .access = Access::gradient,
       .repeats_gradients = true,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>({
          option("steps", &Options::steps, "equal intervals of the path to begin with", at_least(1)),
          option("max_steps", &Options::max_steps, "the worst are halved until there are this many", at_least(1)),
          option("tolerance", &Options::tolerance, "largest gap as a share of |score - score(baseline)|", at_least(0)),
          option("baseline", &Options::baseline,
                 "where the path starts: zero, black, white, a pixel value, mean, blur, noise, uniform or dataset:DIR"),
      }),
      integrated_gradients, cost);
  return definition;
}

}  // namespace

const MethodEntry& integrated_gradients_method() { return definition(); }

std::vector<Explanation> integrated_gradients(const DifferentiableScorer& scorer, const Tensor& inputs,
                                              const Options& options, const Execution& execution) {
  return definition().run(scorer, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, scorer);
    const Tensor baseline = options.baseline.resolve(run.input(), scorer).expand_as(run.input());
    const auto integrals = integrate(run, scorer, baseline, rule_of(options));
    for (size_t t = 0; t < integrals.size(); ++t) {
      Explanation& result = run.results()[t];
      result.map = integrals[t].map;
      result.completeness_gap = integrals[t].gap;
      result.plan["steps"] = std::to_string(std::max<int64_t>(0, integrals[t].nodes - 1));
    }
    set_scores(run, integrals);
  });
}

std::vector<Explanation> integrated_gradients(const Model& model, const Image& image, const std::string& target,
                                              const Options& options) {
  return explain_image(model, image, target, [&](const Probe& probe, const Tensor& input) {
    return integrated_gradients(probe, input, options);
  });
}

}  // namespace vitrail
