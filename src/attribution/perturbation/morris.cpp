#include <vitrail/morris.h>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/designs.h"
#include "attribution/perturbation/pick_freeze.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

PickFreezeOptions sampling(const MorrisOptions& options) {
  return {.sampler = options.sampler,
          .designs = options.designs,
          .replicates = options.replicates,
          .seed = options.seed,
          .change = PickFreezeOptions::Change::half_shift};
}

void explain_input(MethodRun& run, const Scorer& scorer, const MorrisOptions& options) {
  const Perturber perturber(run.input(), scorer, options.regions, options.grid, options.baseline, options.operation);
  explain_by_pick_freeze(run, perturber, sampling(options), {options.tolerance, options.top},
                         [&](const auto& replicates) {
                           return smooth(root_mean_square_change(replicates), perturber, options.smoothing);
                         });
}

Method::Cost cost(const MorrisOptions& options, int64_t, int64_t, int64_t) {
  check_design(options.sampler, options.designs, options.replicates);
  return {.forwards = sampling(options).forwards(options.grid * options.grid)};
}

const MethodDefinition<MorrisOptions, Scorer>& definition() {
  using Options = MorrisOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "morris",
       .family = "perturbation",
       .summary = "Fades the cells of a grid at random and measures what a step of one half in each changes.",
       .formula = "sqrt(mean (y_A - y_Ci)^2), C_i is A with A_i replaced by (A_i + 1/2) modulo 1",
       .cost = "designs x replicates x (grid^2 + 1)",
       .guarantees = "Sampled, with a standard error. Ranks cells like sobol with half its forwards; no Sobol index.",
       .source = "Morris: Factorial Sampling Plans for Preliminary Computational Experiments, Technometrics 1991",
       .access = Access::scorer,
       .is_signed = false,
       .unit = "logit"},
      OptionTable<Options>(OptionRows<Options>{smoothing_row<Options>()} + pick_freeze_rows<Options>() +
                           region_rows<Options>() + settle_rows<Options>()),
      morris, cost);
  return definition;
}

}  // namespace

const MethodEntry& morris_method() { return definition(); }

std::vector<Explanation> morris(const Scorer& scorer, const Tensor& inputs, const MorrisOptions& options,
                                const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> morris(const Model& model, const Image& image, const std::string& target,
                                const MorrisOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return morris(probe, input, options); });
}

}  // namespace vitrail
