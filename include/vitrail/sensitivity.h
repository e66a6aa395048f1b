#pragma once

// Sensitivity: the relative change of the map in a small ball around the input.
//
//   x_j uniform in the ball |x_j - x| <= radius (every value by itself)
//   max_sensitivity       max_j  || phi(x) - phi(x_j) ||_2 / || phi(x) ||_2
//   average_sensitivity   mean_j of the same
//
// The maximum over samples is a lower bound of that over the ball, and grows with their number: compare numbers of the
// same `samples` only. parts["output_change"] is the mean of |g(x_j) - g(x)|. A map of zeros has no relative change:
// undefined.
//
// The case's map is that of its method, as it explains other inputs.
//
// Direction   lower is better.
// Cost        samples maps.
// Source      Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019; divided by the size of the
//             map as in Captum.

#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

struct SensitivityOptions {
  int64_t samples = 10;  ///< neighbours that are explained
  double radius = 0.02;  ///< of the model's input values
  uint64_t seed = 0;
};

MetricScore max_sensitivity(const MetricCase& map, const SensitivityOptions& options = {});
MetricScore average_sensitivity(const MetricCase& map, const SensitivityOptions& options = {});

}  // namespace vitrail
