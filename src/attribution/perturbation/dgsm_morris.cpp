#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
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

/// [d,T] in units of the mean over cells.
Tensor in_mean_cells(const Tensor& value) {
  const Tensor mean = value.mean(0);
  return value / at::where(mean == 0, mean.new_ones({}), mean);
}

/// f(mean of the units [R,d,T]) in units of the mean cell. The error is the jackknife's, leaving out a unit at a time:
/// the mean cell is as uncertain as the cells, and with them (dividing their errors by it made them half as large as
/// they were).
template <class Function>
CellEstimate relative(const Tensor& units, const Function& function) {
  const Tensor value = in_mean_cells(function(units.mean(0)));
  const int64_t n = units.size(0);
  if (n < 2) return {value, at::zeros_like(value)};
  Tensors without;
  for (int64_t unit = 0; unit < n; ++unit)
    without.push_back(in_mean_cells(function((units.sum(0) - units[unit]) / static_cast<double>(n - 1))));
  const Tensor values = at::stack(without);
  const double share = static_cast<double>(n - 1) / static_cast<double>(n);
  return {value, ((values - values.mean(0)).square().sum(0) * share).sqrt()};
}

/// Mean squared changes of each replicate [R,d,T]; of a single one those of its points.
Tensor squared_changes(const std::vector<PickFreezeScores>& replicates) {
  Tensors squares;
  for (const PickFreezeScores& scores : replicates) squares.push_back((scores.y_a.unsqueeze(1) - scores.y_c).square());
  if (squares.size() == 1) return squares[0];
  for (Tensor& square : squares) square = square.mean(0);
  return at::stack(squares);
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
  if (derivatives.units() > 0) estimate = relative(derivatives.absolute, [](const Tensor& mean) { return mean; });
  if (!replicates.empty())
    estimate = blend(estimate, relative(squared_changes(replicates), [](const Tensor& mean) { return mean.sqrt(); }));
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
       .repeats_gradients = true,
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
