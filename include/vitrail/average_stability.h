#pragma once

// Average stability: how far the map moves when the input is changed a little.
//
//   value = mean_j d( phi(x), phi(x + xi_j) ),   xi_j uniform on (0, radius) in every value of the model's input
//
//   l1         sum |phi - phi'|
//   l2         sqrt( sum (phi - phi')^2 )
//   spearman   1 - rank correlation: 0 the same order, 2 the opposite; undefined where a map is constant
//
// The draws are the same for every photo and method. They are not centred, as in the reference: a shift to brighter
// inputs is part of the change; with `centred` they are less radius / 2. l1 and l2 have the unit of the map, so only
// maps of one unit can be compared by them. A map may move because the model does: parts["output_change"] is the mean
// of |g(x + xi_j) - g(x)|.
//
// The case's map is that of its method, as it explains other inputs.
//
// Direction   lower is better.
// Cost        samples maps.
// Source      Bhatt, Weller, Moura, Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020 (average
//             sensitivity).

#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

enum class StabilityDistance { l1, l2, spearman };

struct AverageStabilityOptions {
  int64_t samples = 20;  ///< neighbours that are explained
  double radius = 0.1;   ///< of the model's input values
  bool centred = false;  ///< changes have mean 0
  StabilityDistance distance = StabilityDistance::l2;
  uint64_t seed = 0;
};

MetricScore average_stability(const MetricCase& map, const AverageStabilityOptions& options = {});

}  // namespace vitrail
