#pragma once

// From values a cell to results: maps, native cells, errors.

#include <string>

#include "attribution/perturbation/estimators.h"
#include "attribution/perturbation/perturber.h"
#include "attribution/run.h"

namespace vitrail {

struct CellResultOptions {
  bool not_negative = false;  ///< values have the bound 0, enlarged maps are cut off there
  std::string verdict = {};   ///< of a SettleRule, for the plan
};

/// `estimate` [d,T] to the results of the run: cells, map, standard error (none of a method that
/// does not sample: undefined).
void fill_results(MethodRun& run, const Perturber& perturber, const CellEstimate& estimate,
                  const CellResultOptions& options = {});

/// The completeness gap of every result: the sum of its values less `difference` [T], the score of the image less that
/// of its baseline.
void fill_completeness(MethodRun& run, const CellEstimate& estimate, const Tensor& difference);

/// Each value of a grid blended with the mean of its neighbours above, below, left and right, of which it takes
/// `share`; so are the errors, which is on the safe side. Other regions than a grid have no such neighbours:
/// UsageError, unless the share is 0.
CellEstimate smooth(const CellEstimate& estimate, const Perturber& perturber, double share);

}  // namespace vitrail
