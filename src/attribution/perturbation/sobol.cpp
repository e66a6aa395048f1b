#include <vitrail/sobol.h>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/designs.h"
#include "attribution/perturbation/pick_freeze.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

PickFreezeOptions sampling(const SobolOptions& options) {
  return {.sampler = options.sampler,
          .designs = options.designs,
          .replicates = options.replicates,
          .seed = options.seed,
          .scores_b = options.estimator == IndexEstimator::first_order};
}

void explain_input(MethodRun& run, const Scorer& scorer, const SobolOptions& options) {
  const Perturber perturber(run.input(), scorer, options.regions, options.grid, options.baseline, options.operation);
  explain_by_pick_freeze(run, perturber, sampling(options), {options.tolerance, options.top},
                         [&](const auto& replicates) { return estimate_indices(options.estimator, replicates); });
}

Method::Cost cost(const SobolOptions& options, int64_t, int64_t, int64_t) {
  check_design(options.sampler, options.designs, options.replicates);
  return {.forwards = sampling(options).forwards(options.grid * options.grid)};
}

const MethodDefinition<SobolOptions, Scorer>& definition() {
  using Options = SobolOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "sobol",
       .family = "perturbation",
       .summary = "Fades the cells of a grid at random and gives each its share of the score's variance.",
       .formula =
           "ST_i = E[Var(Y | all but M_i)] / Var(Y) ~ mean (y_A - y_Ci)^2 / (2 Var(y_A)), Y = g(x M + (1 - M) b)",
       .cost = "designs x replicates x (grid^2 + 1), + 1 for first_order",
       .guarantees =
           "Sampled, with a standard error. Total-order indices: a cell's own effect and all its interactions.",
       .source = "Fel et al.: Look at the Variance!, NeurIPS 2021",
       .access = Access::scorer,
       .is_signed = false,
       .unit = "share of variance"},
      OptionTable<Options>(
          OptionRows<Options>{choice("estimator", &Options::estimator, "which index, and how it is estimated",
                                     {{"jansen", IndexEstimator::jansen},
                                      {"janon", IndexEstimator::janon},
                                      {"glen_isaacs", IndexEstimator::glen_isaacs},
                                      {"homma", IndexEstimator::homma},
                                      {"first_order", IndexEstimator::first_order}})} +
          pick_freeze_rows<Options>() + region_rows<Options>() + settle_rows<Options>()),
      sobol, cost);
  return definition;
}

}  // namespace

const MethodEntry& sobol_method() { return definition(); }

std::vector<Explanation> sobol(const Scorer& scorer, const Tensor& inputs, const SobolOptions& options,
                               const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> sobol(const Model& model, const Image& image, const std::string& target,
                               const SobolOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return sobol(probe, input, options); });
}

}  // namespace vitrail
