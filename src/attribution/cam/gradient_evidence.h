#pragma once

// What the gradient-weighted class activation maps share: one forward, one backward a target, terms of the channels.

#include <functional>

#include "attribution/cam/cam_view.h"

namespace vitrail {

/// Terms [K,h,w] of the channels from the layer's value and its gradient, both [K,h,w].
using GradientTerms = std::function<Tensor(const Tensor& activation, const Tensor& gradient)>;

/// Fills the run's results.
void explain_by_gradient(MethodRun& run, const Probe& probe, const CamSettings& settings, const GradientTerms& terms);

}  // namespace vitrail
