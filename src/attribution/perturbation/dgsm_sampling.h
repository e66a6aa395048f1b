#pragma once

// Derivatives of the score with respect to the fade levels of all cells: what `dgsm` and `dgsm_morris` share.

#include <vitrail/perturbation.h>
#include <vitrail/scorer.h>

#include <cstdint>
#include <functional>

#include "attribution/perturbation/estimators.h"
#include "attribution/perturbation/perturber.h"
#include "attribution/run.h"

namespace vitrail {

struct DerivativeOptions {
  Sampler sampler = Sampler::owen;
  int64_t samples = 16;    ///< of one replicate
  int64_t replicates = 4;  ///< at most
  uint64_t seed = 1;
};

/// Means over each finished replicate, float64 [R,d,T]. Where a stop left not even the first finished: the mean of what
/// there is; nothing at all: R = 0.
struct CellDerivatives {
  Tensor absolute, signed_mean;
  int64_t units() const { return absolute.size(0); }
};

/// After each replicate `settled` is asked whether it is enough. Warns of a stop.
CellDerivatives sample_derivatives(MethodRun& run, const DifferentiableScorer& scorer, const Perturber& perturber,
                                   const DerivativeOptions& options,
                                   const std::function<bool(const CellDerivatives&)>& settled);

}  // namespace vitrail
