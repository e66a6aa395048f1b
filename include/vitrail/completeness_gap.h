#pragma once

// Completeness gap: does the map add up to what it explains?
//
//   value = | sum phi - (g(x) - g(b)) | / | g(x) - g(b) |       b: the baseline
//
// 0 where the map divides the rise of the score from the baseline among the pixels without a rest, as path integrals
// and Shapley values do for the baseline that they were given: name the same one here. parts["sum"] and parts["rise"]
// are the two numbers. An unsigned map is no sum of contributions, and of a score that does not rise nothing is a
// share: undefined.
//
// Direction   lower is better.
// Cost        2 forwards.
// Source      Sundararajan, Taly, Yan, Axiomatic Attribution for Deep Networks, ICML 2017 (completeness).

#include <vitrail/activation.h>
#include <vitrail/baseline.h>
#include <vitrail/metric.h>

namespace vitrail {

struct CompletenessGapOptions {
  Baseline baseline{"black"};
  Activation activation = Activation::none;  ///< of the score: what the map explains
};

MetricScore completeness_gap(const MetricCase& map, const CompletenessGapOptions& options = {});

}  // namespace vitrail
