#pragma once

// The activations that layers of a plan end with, and their derivatives.

#include "plan/onednn.h"

namespace vitrail::onednn {

/// Writes over x.
void apply(const Activation& activation, Tensor& x);

/// True where the derivative of the activation is a function of its value.
bool derives_from_value(const Activation& activation);

/// The gradient before the activation from that behind it and its value `y`. Zero where a piece ends, as at 0 of a
/// relu.
Tensor pass_back(const Activation& activation, const Tensor& gradient, const Tensor& y);

}  // namespace vitrail::onednn
