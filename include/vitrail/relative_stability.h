#pragma once

// Relative stability: the largest relative change of the map per change of the input, or of the output.
//
//   relative_input_stability    max_j  || (phi(x) - phi(x_j)) / phi(x) ||_2 / max( || (x - x_j) / x ||_2, epsilon )
//   relative_output_stability   max_j  || (phi(x) - phi(x_j)) / phi(x) ||_2 / max( | g(x) - g(x_j) |, epsilon )
//
// Divisions are by element; where an element of phi(x) or x is 0, epsilon divides. So a map with zeros has values that
// epsilon makes: parts["zeros"] is their share. x_j is uniform in the ball |x_j - x| <= radius (every value by itself).
// The paper takes all outputs of the model and the x_j that it gives the same class; here it is the score that the map
// explains, whose target is the same for all x_j. parts["output_change"] is the mean of |g(x_j) - g(x)|.
//
// The case's map is that of its method, as it explains other inputs.
//
// Direction   lower is better.
// Cost        samples maps.
// Source      Agarwal et al., Rethinking Stability for Attribution-based Explanations, 2022 (arXiv 2203.06877).

#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

struct RelativeStabilityOptions {
  int64_t samples = 10;   ///< neighbours that are explained
  double radius = 0.02;   ///< of the model's input values
  double epsilon = 1e-6;  ///< instead of a divisor of 0, and the least change of input or output
  uint64_t seed = 0;
};

MetricScore relative_input_stability(const MetricCase& map, const RelativeStabilityOptions& options = {});
MetricScore relative_output_stability(const MetricCase& map, const RelativeStabilityOptions& options = {});

}  // namespace vitrail
