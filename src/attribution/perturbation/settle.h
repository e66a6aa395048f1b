#pragma once

// When a sampled map is known well enough: the rule behind `tolerance` and `top`.
//
// At look k an error probability of alpha_k = 6 alpha / (pi^2 k^2) is spent, which sums to alpha = 0.05 over any
// number of looks, and is shared by all cells and targets (Bonferroni). With t the Student quantile of that level:
//
//   tolerance   every interval value +- t SE is shorter on either side than tolerance x (largest - smallest value)
//   top         of the m cells with the largest values every lower end lies above every upper end of the other cells
//
// so with probability 0.95 the statement at the stop is true, however often one looked.

#include <vitrail/tensor.h>

#include <cstdint>
#include <string>

#include "attribution/perturbation/estimators.h"

namespace vitrail {

/// When to look: after `first` units, and then each time that a quarter more are done. Independent of batches, if no
/// batch goes past the next look.
class LookSchedule {
 public:
  explicit LookSchedule(int64_t first) : next_(first) {}

  int64_t until_next(int64_t done) const { return next_ - done; }
  bool is_due(int64_t done) {
    if (done < next_) return false;
    next_ = done + done / 4 + 1;
    return true;
  }

 private:
  int64_t next_;
};

class SettleRule {
 public:
  /// `tolerance` and `top` of 0: not asked for. Both: both must hold.
  SettleRule(double tolerance, int64_t top) : tolerance_(tolerance), top_(top) {}

  /// False where the run goes on to its last unit in any case: nobody need estimate before.
  bool is_asked() const { return tolerance_ > 0 || top_ > 0; }

  /// Looks once at an estimate from `units` independent units.
  bool settled(const CellEstimate& estimate, int64_t units);

  /// For the plan of a result: "tolerance 0.05 reached at look 7", or that it was not; empty where nothing was asked.
  std::string verdict() const;

 private:
  double tolerance_;
  int64_t top_, looks_ = 0;
  bool settled_ = false;
};

}  // namespace vitrail
