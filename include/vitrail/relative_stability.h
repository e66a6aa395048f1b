#pragma once

// Relative stability: the largest relative change of the map per change of the input, of the output, or of what a layer
// makes of the input, L.
//
//   relative_input_stability            max_j  r_j / max( || (x - x_j) / x ||_2, epsilon )
//   relative_output_stability           max_j  r_j / max( | g(x) - g(x_j) |, epsilon )
//   relative_representation_stability   max_j  r_j / max( || (L(x) - L(x_j)) / L(x) ||_2, epsilon )
//   r_j = || (phi(x) - phi(x_j)) / phi(x) ||_2
//
// Divisions are by element; where an element of phi(x), x or L(x) is 0, epsilon divides. So a map with zeros has values
// that epsilon makes: parts["zeros"] is their share. A layer behind a ReLU is 0 at many places: what becomes active
// there counts 1 / epsilon times, the ratio is then small, and parts["layer_zeros"] is the share of such places. Name
// a layer before the ReLU where that is not wanted. x_j is uniform in the ball |x_j - x| <= radius (every value by
// itself). The paper takes all outputs of the model and the x_j that it gives the same class; here it is the score that
// the map explains, whose target is the same for all x_j. parts["output_change"] is the mean of |g(x_j) - g(x)|.
//
// The case's map is that of its method, as it explains other inputs.
//
// Direction   lower is better.
// Cost        samples maps; relative_representation_stability also samples + 1 forwards to the layer.
// Source      Agarwal et al., Rethinking Stability for Attribution-based Explanations, 2022 (arXiv 2203.06877).

#include <vitrail/metric.h>

#include <cstdint>
#include <string>

namespace vitrail {

struct RelativeStabilityOptions {
  int64_t samples = 10;   ///< neighbours that are explained
  double radius = 0.02;   ///< of the model's input values
  double epsilon = 1e-6;  ///< instead of a divisor of 0, and the least change of input or output
  uint64_t seed = 0;
};

struct RelativeRepresentationStabilityOptions {
  int64_t samples = 10;        ///< neighbours that are explained
  double radius = 0.02;        ///< of the model's input values
  double epsilon = 1e-6;       ///< instead of a divisor of 0, and the least change of the layer
  std::string layer = "auto";  ///< any value of the network; auto: the one that Grad-CAM takes, the last with positions
  uint64_t seed = 0;
};

MetricScore relative_input_stability(const MetricCase& map, const RelativeStabilityOptions& options = {});
MetricScore relative_output_stability(const MetricCase& map, const RelativeStabilityOptions& options = {});

/// parts["layer NAME"]: the values of the layer. UsageError where the scorer is no Probe.
MetricScore relative_representation_stability(const MetricCase& map,
                                              const RelativeRepresentationStabilityOptions& options = {});

}  // namespace vitrail
