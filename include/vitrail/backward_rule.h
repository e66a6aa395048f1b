#pragma once

namespace vitrail {

/// What the backward pass of ReLU-type operators (Relu, LeakyRelu, PRelu, Clip) lets through.
enum class BackwardRule {
  plain,   ///< the derivative
  guided,  ///< where the forward input was in the active range and the incoming gradient is positive
  deconv,  ///< where the incoming gradient is positive, whatever the forward input was
};

}  // namespace vitrail
