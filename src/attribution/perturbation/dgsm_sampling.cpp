#include "attribution/perturbation/dgsm_sampling.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <numeric>
#include <string>
#include <vector>

#include "attribution/gradient/target_gradients.h"
#include "attribution/perturbation/designs.h"

namespace vitrail {

namespace {

/// Sums over the samples of one replicate, [d,T].
struct Sums {
  Tensor absolute, signed_sum;
  int64_t samples = 0;
};

Sums run_replicate(MethodRun& run, const DifferentiableScorer& scorer, const Perturber& perturber,
                   const DerivativeOptions& options, int64_t replicate) {
  const int64_t cells = perturber.cells(), targets = run.targets();
  const Tensor design =
      draw_design(options.sampler, options.samples, cells, options.seed, static_cast<uint64_t>(replicate));
  Sums sums{at::zeros({cells, targets}, at::kDouble), at::zeros({cells, targets}, at::kDouble)};
  while (const int64_t n = run.next_chunk(options.samples - sums.samples, 1 + targets)) {
    const Tensor levels = design.narrow(0, sums.samples, n);
    std::vector<int64_t> points(static_cast<size_t>(n));
    std::iota(points.begin(), points.end(), replicate * options.samples + sums.samples);
    const auto gradients = target_gradients(run, scorer, perturber.images(levels, points)).gradients;
    const Tensor slope = perturber.slope(perturber.masks(levels), points);
    for (int64_t t = 0; t < targets; ++t) {
      const Tensor derivatives = perturber.sum_by_region(gradients[static_cast<size_t>(t)] * slope);  // [n,d]
      // Sample by sample: sums do not depend on how samples come in batches.
      for (int64_t i = 0; i < n; ++i) {
        sums.absolute.select(1, t) += derivatives[i].abs();
        sums.signed_sum.select(1, t) += derivatives[i];
      }
    }
    sums.samples += n;
  }
  return sums;
}

}  // namespace

CellDerivatives sample_derivatives(MethodRun& run, const DifferentiableScorer& scorer, const Perturber& perturber,
                                   const DerivativeOptions& options,
                                   const std::function<bool(const CellDerivatives&)>& settled) {
  Tensors absolute, signed_mean;
  const Tensor none = at::zeros({0, perturber.cells(), run.targets()}, at::kDouble);
  const auto means = [&] {
    return absolute.empty() ? CellDerivatives{none, none}
                            : CellDerivatives{at::stack(absolute), at::stack(signed_mean)};
  };
  for (int64_t r = 0; r < options.replicates; ++r) {
    const Sums sums = run_replicate(run, scorer, perturber, options, r);
    const bool finished = sums.samples == options.samples;
    if (finished || (absolute.empty() && sums.samples > 0)) {
      absolute.push_back(sums.absolute / static_cast<double>(sums.samples));
      signed_mean.push_back(sums.signed_sum / static_cast<double>(sums.samples));
    }
    if (!finished) {
      run.warn("Stopped after " + std::to_string(r * options.samples + sums.samples) + " of " +
               std::to_string(options.replicates * options.samples) + " gradients.");
      break;
    }
    if (settled(means())) break;
  }
  for (Explanation& result : run.results()) result.plan["replicates"] = std::to_string(absolute.size());
  return means();
}

}  // namespace vitrail
