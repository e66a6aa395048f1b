#pragma once

// Monotonicity: shown one after the other on an empty photo, the least important cells first, each should raise the
// score.
//
//   s_k = g(baseline with the k cells of x of which the map says least);   value = share of the k with s_k >= s_k-1
//
// Direction   higher is better.
// Cost        grid^2 + 1 forwards.
// Undefined   where the map says the same of all cells.
// Source      Luss, Chen, Dhurandhar, Sattigeri, Zhang, Shanmugam, Tu, Leveraging Latent Features for Local
//             Explanations, KDD 2021, who ask whether all steps rise.

#include <vitrail/activation.h>
#include <vitrail/baseline.h>
#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

struct MonotonicityOptions {
  int64_t grid = 8;  ///< cells along a side
  Baseline baseline{"black"};
  Activation activation = Activation::automatic;
};

MetricScore monotonicity(const MetricCase& map, const MonotonicityOptions& options = {});

}  // namespace vitrail
