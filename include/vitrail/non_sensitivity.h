#pragma once

// Non-sensitivity: what the score does not look at should have no relevance, and the other way round.
//
//   A = cells with sum |phi| <= tolerance x its maximum over the cells
//   B = cells with |g(x) - g(x with the cell hidden)| <= tolerance x its maximum
//   value = #(cells in exactly one of A and B) / cells
//
// parts["irrelevant"] and parts["insensitive"] are the shares of cells in A and in B. A map of zeros and a score that
// no cell changes have no largest value to compare with: undefined.
//
// Direction   lower is better.
// Cost        grid^2 + 1 forwards.
// Source      Nguyen and Martinez, On quantitative aspects of model interpretability, 2020; by cells instead of pixels.

#include <vitrail/activation.h>
#include <vitrail/baseline.h>
#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

struct NonSensitivityOptions {
  int64_t grid = 14;        ///< cells along a side
  double tolerance = 1e-3;  ///< share of the largest value that counts as none
  Baseline baseline{"black"};
  Activation activation = Activation::none;  ///< of the score: what the map explains
};

MetricScore non_sensitivity(const MetricCase& map, const NonSensitivityOptions& options = {});

}  // namespace vitrail
