#include <vitrail/hsic.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <algorithm>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/cell_results.h"
#include "attribution/perturbation/coalitions.h"
#include "attribution/perturbation/dependence.h"
#include "attribution/perturbation/designs.h"
#include "attribution/perturbation/settle.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

/// Masks [N,d], a byte a bit, and their scores [N,T].
struct Samples {
  Tensors bits, scores;
  int64_t rows = 0;

  void add(const Tensor& shown, const Tensor& found) {
    bits.push_back(shown.to(at::kByte));
    scores.push_back(found);
    rows += shown.size(0);
  }
};

class HsicRun {
 public:
  HsicRun(MethodRun& run, const Scorer& model, const HsicOptions& options)
      : run_(run),
        options_(options),
        perturber_(run.input(), model, options.regions, options.grid, options.baseline),
        scorer_(run, perturber_),
        rule_(options.tolerance, options.top) {}

  void explain() {
    const int64_t wanted = options_.designs * options_.replicates, done = sample(wanted);
    warn_of_stop(run_, done, wanted, "masks");
    const CellEstimate values = samples_.rows < 2 ? nothing_known(perturber_.cells(), run_.targets()) : estimate();
    if (left_out_ > 0)
      run_.warn(std::to_string(left_out_) + " of " + std::to_string(done) +
                " masked images got a score that is not finite and were left out.");
    fill_results(run_, perturber_, values, {.not_negative = true, .verdict = rule_.verdict()});
    for (size_t t = 0; t < widths_.size(); ++t) run_.results()[t].plan["kernel_width"] = write_value(widths_[t]);
  }

 private:
  int64_t sample(int64_t wanted) {
    CoalitionUnits units;
    units.count = wanted;
    units.draw = [&](int64_t unit) { return shown(unit).unsqueeze(0); };
    units.add = [&](int64_t, const Tensor& shown, const Tensor& scores) { samples_.add(shown, scores); };
    units.first_look = 2 * options_.designs;
    if (rule_.is_asked())
      units.settled = [&](int64_t done) {
        return rule_.settled(estimate(), std::min(done / options_.designs, int64_t{20}));
      };
    return score_units(run_, scorer_, units);
  }

  /// Mask number `unit` [d]: a point of the design of its replicate, rounded.
  Tensor shown(int64_t unit) {
    const int64_t replicate = unit / options_.designs;
    if (replicate != replicate_) {
      const Tensor design = draw_design(options_.sampler, options_.designs, perturber_.cells(), options_.seed,
                                        static_cast<uint64_t>(replicate));
      design_ = (design >= 0.5).to(at::kDouble);
      replicate_ = replicate;
    }
    return design_[unit % options_.designs];
  }

  CellEstimate estimate() {
    const Tensor bits = at::cat(samples_.bits), scores = at::cat(samples_.scores);
    const Tensor finite = at::isfinite(scores).all(1).nonzero().squeeze(1);
    left_out_ = bits.size(0) - finite.numel();
    widths_.clear();
    if (finite.numel() < 2) return nothing_known(perturber_.cells(), run_.targets());
    const Tensor m = bits.index_select(0, finite).to(at::kDouble);
    Tensors values, errors;
    for (int64_t t = 0; t < run_.targets(); ++t) {
      const Tensor y = scores.select(1, t).index_select(0, finite).contiguous();
      const double width = widths_.emplace_back(kernel_width(options_.width, y));
      const Dependence found = options_.readout == HsicReadout::kernel
                                   ? kernel_dependence(m, y, width, options_.designs)
                                   : regression_dependence(m, y, width, options_.designs);
      values.push_back(found.value);
      errors.push_back(found.standard_error);
    }
    const Tensor constant = scorer_.is_constant(), zero = values[0].new_zeros({});
    return {at::where(constant, zero, at::stack(values, 1)), at::where(constant, zero, at::stack(errors, 1)), constant};
  }

  MethodRun& run_;
  const HsicOptions& options_;
  Perturber perturber_;
  CoalitionScorer scorer_;
  SettleRule rule_;
  Samples samples_;
  Tensor design_;  ///< of the current replicate
  int64_t replicate_ = -1, left_out_ = 0;
  std::vector<double> widths_;  ///< of the kernel, by target
};

Method::Cost cost(const HsicOptions& options, int64_t, int64_t, int64_t) {
  check_design(options.sampler, options.designs, options.replicates);
  return {.forwards = options.designs * options.replicates};
}

const MethodDefinition<HsicOptions, Scorer>& definition() {
  using Options = HsicOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "hsic",
       .family = "perturbation",
       .summary = "How strongly the score depends on whether a region shows (Hilbert-Schmidt independence criterion).",
       .formula = "HSIC_i = trace(K_i H L H) / N, K_i of the bits of region i, L a Gaussian kernel of the scores",
       .cost = "designs x replicates, whatever the grid; less where masks repeat",
       .guarantees =
           "Sampled, with a standard error. In the limit 0 exactly where the score is independent of a region.",
       .source = "Novello, Fel, Vigouroux: Making Sense of Dependence, NeurIPS 2022",
       .access = Access::scorer,
       .is_signed = false,
       .unit = "HSIC"},
      OptionTable<Options>(
          OptionRows<Options>{
              option("designs", &Options::designs, "masks of one replicate; a power of two for owen", at_least(2)),
              option("replicates", &Options::replicates, "independent designs at most, for the standard error",
                     at_least(1)),
              choice(
                  "width", &Options::width, "of the kernel of scores",
                  {{"median_distance", KernelWidth::median_distance}, {"median_output", KernelWidth::median_output}}),
              choice("readout", &Options::readout, "the kernel formula, or regression of the kernel's features",
                     {{"kernel", HsicReadout::kernel}, {"regression", HsicReadout::regression}}),
              option("seed", &Options::seed, "of the designs"), sampler_row<Options>()} +
          region_rows<Options>(most_regressed_side) + settle_rows<Options>()),
      hsic, cost);
  return definition;
}

}  // namespace

const MethodEntry& hsic_method() { return definition(); }

std::vector<Explanation> hsic(const Scorer& scorer, const Tensor& inputs, const HsicOptions& options,
                              const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { HsicRun(run, scorer, options).explain(); });
}

std::vector<Explanation> hsic(const Model& model, const Image& image, const std::string& target,
                              const HsicOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return hsic(probe, input, options); });
}

}  // namespace vitrail
