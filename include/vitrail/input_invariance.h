#pragma once

// Input invariance: a model that takes shifted inputs and takes the shift away again is the same model, and should be
// explained the same way.
//
//   g'(z) = g(z - s),   value = || phi_g(x) - phi_g'(x + s) ||_2 / || phi_g(x) ||_2
//
// 0 for gradients. Methods that multiply by the input, or that start from a baseline of zeros, fail; one that starts
// from a pixel value passes, as black is shifted along. Methods that look into layers of the network cannot be asked,
// and a map of zeros has no relative change: undefined.
//
// The case's map is that of its method, as it explains other inputs.
//
// Direction   lower is better.
// Cost        1 map.
// Source      Kindermans et al., The (Un)reliability of saliency methods, 2017.

#include <vitrail/metric.h>

namespace vitrail {

struct InputInvarianceOptions {
  double shift = 1;  ///< of every one of the model's input values
};

MetricScore input_invariance(const MetricCase& map, const InputInvarianceOptions& options = {});

}  // namespace vitrail
