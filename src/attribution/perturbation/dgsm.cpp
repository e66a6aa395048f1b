#include <vitrail/dgsm.h>

#include "attribution/explain_image.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/designs.h"
#include "attribution/perturbation/dgsm_sampling.h"
#include "attribution/perturbation/settle.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

DerivativeOptions sampling(const DgsmOptions& options) {
  return {options.sampler, options.samples, options.replicates, options.seed};
}

CellEstimate estimate(const CellDerivatives& derivatives, bool signed_mean) {
  const Tensor& units = signed_mean ? derivatives.signed_mean : derivatives.absolute;
  return units.size(0) > 0 ? mean_of_units(units) : nothing_known(units.size(1), units.size(2));
}

void explain_input(MethodRun& run, const DifferentiableScorer& scorer, const DgsmOptions& options) {
  warn_of_flat_operators(run, scorer);
  const Perturber perturber(run.input(), scorer, options.regions, options.grid, options.baseline, options.operation);
  const auto smoothed = [&](const CellDerivatives& derivatives, bool signed_mean) {
    return smooth(estimate(derivatives, signed_mean), perturber, options.smoothing);
  };
  SettleRule rule(options.tolerance, options.top);
  const CellDerivatives derivatives =
      sample_derivatives(run, scorer, perturber, sampling(options), [&](const CellDerivatives& so_far) {
        return rule.is_asked() && rule.settled(smoothed(so_far, options.signed_mean), so_far.units());
      });
  fill_results(run, perturber, smoothed(derivatives, options.signed_mean),
               {.not_negative = !options.signed_mean, .verdict = rule.verdict()});
  const Tensor beside = smoothed(derivatives, !options.signed_mean).value;
  for (int64_t t = 0; t < run.targets(); ++t) {
    Explanation& explanation = run.results()[static_cast<size_t>(t)];
    explanation.is_signed = options.signed_mean;
    explanation.extras[options.signed_mean ? "absolute_mean" : "signed_mean"] = perturber.native(beside.select(1, t));
  }
}

Method::Cost cost(const DgsmOptions& options, int64_t, int64_t, int64_t targets) {
  check_design(options.sampler, options.samples, options.replicates);
  const int64_t samples = options.samples * options.replicates;
  return {.forwards = samples, .backwards = samples * targets};
}

const MethodDefinition<DgsmOptions, DifferentiableScorer>& definition() {
  using Options = DgsmOptions;
  static const MethodDefinition<Options, DifferentiableScorer> definition(
      {.name = "dgsm",
       .family = "perturbation",
       .summary = "Mean absolute derivative of the score by each cell's fade level: one backward serves all cells.",
       .formula = "mean over random M of |d g(x M + (1 - M) b) / d M_i|",
       .cost = "samples x replicates forwards, as many backwards a target",
       .guarantees = "Sampled, with a standard error. A quick proxy of sobol: its limit is E|dg/dM_i|, no Sobol index.",
       .source = "Sobol', Kucherenko: Derivative based global sensitivity measures, Math. Comput. Simul. 2009",
       .access = Access::gradient,
       .repeats_gradients = true,
       .is_signed = false,
       .unit = "logit"},
      OptionTable<Options>(
          OptionRows<Options>{
              option("samples", &Options::samples, "gradients of one replicate; a power of two for owen", at_least(1)),
              option("replicates", &Options::replicates, "independent sets at most, for the standard error",
                     at_least(1)),
              option("signed_mean", &Options::signed_mean, "the mean derivative instead of the mean absolute one"),
              option("seed", &Options::seed, "of the contexts"), sampler_row<Options>(), operation_row<Options>(),
              smoothing_row<Options>()} +
          region_rows<Options>() + settle_rows<Options>()),
      dgsm, cost);
  return definition;
}

}  // namespace

const MethodEntry& dgsm_method() { return definition(); }

std::vector<Explanation> dgsm(const DifferentiableScorer& scorer, const Tensor& inputs, const DgsmOptions& options,
                              const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> dgsm(const Model& model, const Image& image, const std::string& target,
                              const DgsmOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return dgsm(probe, input, options); });
}

}  // namespace vitrail
