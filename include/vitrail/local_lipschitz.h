#pragma once

// Local Lipschitz estimate: the largest change of the map per change of the input, near the input.
//
//   value = max_j || phi(x) - phi(x_j) ||_2 / || x - x_j ||_2
//
// x_j is uniform in the ball |x_j - x| <= radius (every value by itself). The maximum over samples is a lower bound of
// the constant, and grows with their number. It has the unit of the map per input unit. parts["output_change"] is the
// mean of |g(x_j) - g(x)|.
//
// The case's map is that of its method, as it explains other inputs.
//
// Direction   lower is better.
// Cost        samples maps.
// Source      Alvarez-Melis and Jaakkola, On the Robustness of Interpretability Methods, 2018.

#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

struct LocalLipschitzOptions {
  int64_t samples = 10;  ///< neighbours that are explained
  double radius = 0.02;  ///< of the model's input values
  uint64_t seed = 0;
};

MetricScore local_lipschitz(const MetricCase& map, const LocalLipschitzOptions& options = {});

}  // namespace vitrail
