#pragma once

// Pick-freeze sampling: points A_n of a design, and for every cell i the point C_n,i that differs from A_n in cell i
// only. What `sobol` and `morris` share.

#include <vitrail/perturbation.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "attribution/perturbation/estimators.h"
#include "attribution/perturbation/perturber.h"
#include "attribution/perturbation/settle.h"
#include "attribution/run.h"

namespace vitrail {

struct PickFreezeOptions {
  enum class Change {
    from_b,     ///< cell i of an independent point B_n
    half_shift  ///< (A_n,i + 1/2) modulo 1: every step has the same length
  };
  Sampler sampler = Sampler::lhs;
  int64_t designs = 8;     ///< points N of a replicate
  int64_t replicates = 4;  ///< at most
  uint64_t seed = 1;
  Change change = Change::from_b;
  bool scores_b = false;  ///< y_B too, N more forwards a replicate

  int64_t forwards(int64_t cells) const { return designs * replicates * (cells + 1 + (scores_b ? 1 : 0)); }
};

/// Scores of the finished replicates. Samples go point by point (A_1, C_1,1 .. C_1,d, A_2 ...), in forwards of one
/// size, so that y_A and y_C come from the same kernels and their rounding cancels; or, where the scorer gains by it, A
/// whole and each C as a change of it, equal to that within rounding. After each replicate `settled` is
/// asked whether it is enough. Where a stop left not even the first replicate finished: its finished points, if at
/// least two; else nothing. Warns of a stop.
std::vector<PickFreezeScores> run_pick_freeze(
    MethodRun& run, const Perturber& perturber, const PickFreezeOptions& options,
    const std::function<bool(const std::vector<PickFreezeScores>&)>& settled = [](const auto&) { return false; });

/// Samples until `rule` is settled by the `estimate` of the finished replicates, and fills the results with it: all of
/// a method that reads values of cells, none negative, off pick-freeze scores.
void explain_by_pick_freeze(MethodRun& run, const Perturber& perturber, const PickFreezeOptions& options,
                            SettleRule rule,
                            const std::function<CellEstimate(const std::vector<PickFreezeScores>&)>& estimate);

}  // namespace vitrail
