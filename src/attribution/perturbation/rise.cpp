#include <vitrail/rise.h>

#include <numeric>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/fill.h"
#include "attribution/perturbation/masks.h"
#include "attribution/perturbation/rise_sums.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

constexpr double rounding_noise = 1e-6;  // of float32 scores, relative to their magnitude

RiseSums sum_masks(MethodRun& run, const Fill& fill, const RiseOptions& options) {
  RiseSums sums(run.targets(), run.height(), run.width());
  int64_t done = 0;
  while (const int64_t n = run.next_chunk(options.masks - done)) {
    const Tensor masks = rise_masks(done, n, options.grid, options.keep, options.seed, run.height(), run.width());
    std::vector<int64_t> numbers(static_cast<size_t>(n));
    std::iota(numbers.begin(), numbers.end(), done);
    sums.add(masks, run.score(apply_masks(run.input(), fill.values(masks, numbers), masks)));
    done += n;
  }
  if (run.stopped())
    run.warn("Stopped after " + std::to_string(done) + " of " + std::to_string(options.masks) + " masks.");
  if (sums.left_out() > 0)
    run.warn(std::to_string(sums.left_out()) + " of " + std::to_string(done) +
             " masked images got a score that is not finite and were left out.");
  return sums;
}

void explain_input(MethodRun& run, const Scorer& scorer, const RiseOptions& options) {
  const RiseSums sums = sum_masks(run, Fill(options.baseline, run.input(), scorer), options);
  const Tensor values = sums.value(), errors = sums.standard_error();
  for (int64_t t = 0; t < run.targets(); ++t) {
    Explanation& result = run.results()[static_cast<size_t>(t)];
    const double mean = sums.mean_scores()[t].item<double>(), deviation = sums.score_deviations()[t].item<double>();
    result.map = values[t];
    result.standard_error = errors[t];
    result.plan["masks"] = std::to_string(sums.masks());
    result.plan["mean_score"] = write_value(mean);
    if (sums.masks() > 1 && deviation <= rounding_noise * std::abs(mean))
      result.warnings.push_back("The model is constant under masks: the map shows no difference between pixels.");
  }
}

Method::Cost cost(const RiseOptions& options, int64_t, int64_t, int64_t) { return {.forwards = options.masks}; }

const MethodDefinition<RiseOptions, Scorer>& definition() {
  using Options = RiseOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "rise",
       .family = "perturbation",
       .summary = "Shows random parts of the image and averages the masks, weighted by the score they get.",
       .formula = "sum_m g(x M_m + (1 - M_m) b) M_m / sum_m M_m, M_m random masks",
       .cost = "masks",
       .guarantees = "Sampled, with a standard error. For a linear score the limit is affine in w_i x_i.",
       .source = "Petsiuk, Das, Saenko: RISE, BMVC 2018",
       .access = Access::scorer,
       .is_signed = false,
       .unit = "logit"},
      OptionTable<Options>({
          option("masks", &Options::masks, "masks drawn: the forwards", at_least(1)),
          option("grid", &Options::grid, "cells along a side of a mask", at_least(1)),
          option("keep", &Options::keep, "probability that a cell is shown", between(0.01, 0.99)),
          option("seed", &Options::seed, "of the masks"),
          option("baseline", &Options::baseline, baseline_words),
      }),
      rise, cost);
  return definition;
}

}  // namespace

const MethodEntry& rise_method() { return definition(); }

std::vector<Explanation> rise(const Scorer& scorer, const Tensor& inputs, const RiseOptions& options,
                              const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> rise(const Model& model, const Image& image, const std::string& target,
                              const RiseOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return rise(probe, input, options); });
}

}  // namespace vitrail
