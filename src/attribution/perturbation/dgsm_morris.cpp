#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <vitrail/dgsm.h>

#include "attribution/explain_image.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/designs.h"
#include "attribution/perturbation/dgsm_sampling.h"
#include "attribution/perturbation/pick_freeze.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

using Options = DgsmMorrisOptions;

PickFreezeOptions steps(const Options& options) {
  return {.sampler = Sampler::lhs,
          .designs = options.designs,
          .replicates = options.replicates,
          .seed = options.seed,
          .change = PickFreezeOptions::Change::half_shift};
}

/// Values and errors in units of the mean value of all cells.
CellEstimate relative(const CellEstimate& estimate) {
  const Tensor mean = estimate.value.mean(0), scale = at::where(mean == 0, mean.new_ones({}), mean);
  return {estimate.value / scale, estimate.standard_error / scale};
}

/// Half and half; the errors are of independent samples.
CellEstimate blend(const CellEstimate& a, const CellEstimate& b) {
  return {(a.value + b.value) / 2, (a.standard_error.square() + b.standard_error.square()).sqrt() / 2};
}

void explain_input(MethodRun& run, const DifferentiableScorer& scorer, const Options& options) {
  warn_of_flat_operators(run, scorer);
  const Perturber perturber(run.input(), scorer, options.regions, options.grid, options.baseline, options.operation);
  // Gradients first: a run that stops early has the part that says most for its cost.
  const CellDerivatives derivatives =
      sample_derivatives(run, scorer, perturber, {Sampler::owen, options.samples, options.replicates, options.seed},
                         [](const CellDerivatives&) { return false; });
  const auto replicates =
      run.stopped() ? std::vector<PickFreezeScores>{} : run_pick_freeze(run, perturber, steps(options));
  CellEstimate estimate = nothing_known(perturber.cells(), run.targets());
  if (derivatives.units() > 0) estimate = relative(mean_of_units(derivatives.absolute));
  if (!replicates.empty()) estimate = blend(estimate, relative(root_mean_square_change(replicates)));
  fill_results(run, perturber, smooth(estimate, perturber, options.smoothing), {.not_negative = true});
}

Method::Cost cost(const Options& options, int64_t, int64_t, int64_t targets) {
  check_design(Sampler::owen, options.samples);
  const int64_t gradients = options.samples * options.replicates;
  return {.forwards = gradients + steps(options).forwards(options.grid * options.grid),
          .backwards = gradients * targets};
}

const MethodDefinition<Options, DifferentiableScorer>& definition() {
  static const MethodDefinition<Options, DifferentiableScorer> definition(
      {.name = "dgsm_morris",
       .family = "perturbation",
       .summary = "Blend of dgsm and morris: gradients and steps of one half have their say in equal parts.",
       .formula = "(dgsm_i / mean(dgsm) + morris_i / mean(morris)) / 2",
       .cost = "samples x replicates forwards and backwards, designs x replicates x (grid^2 + 1) forwards",
       .guarantees = "Sampled, with a standard error. A proxy of sobol, no Sobol index.",
       .source = "the sources of dgsm and morris",
       .access = Access::gradient,
       .is_signed = false,
       .unit = "share of the mean cell"},
      OptionTable<Options>(
          OptionRows<Options>{
              option("designs", &Options::designs, "points of one replicate of the steps", at_least(2)),
              option("samples", &Options::samples, "gradients of one replicate; a power of two", at_least(1)),
              option("replicates", &Options::replicates, "independent sets of both, for the standard error",
                     at_least(1)),
              option("seed", &Options::seed, "of both"), operation_row<Options>(), smoothing_row<Options>()} +
          region_rows<Options>()),
      dgsm_morris, cost);
  return definition;
}

}  // namespace

const MethodEntry& dgsm_morris_method() { return definition(); }

std::vector<Explanation> dgsm_morris(const DifferentiableScorer& scorer, const Tensor& inputs, const Options& options,
                                     const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> dgsm_morris(const Model& model, const Image& image, const std::string& target,
                                     const Options& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return dgsm_morris(probe, input, options); });
}

}  // namespace vitrail
