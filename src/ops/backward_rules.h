#pragma once

// The modified backward passes of ReLU-type operators: guided backpropagation (Springenberg et al. 2015)
// and DeconvNet (Zeiler and Fergus 2014). The forward value is the operator's own; only what the backward
// pass lets through changes.

#include "vitrail/backward_rule.h"
#include "vitrail/tensor.h"

namespace vitrail {

/// `output` = f(input). Returns a tensor equal to `output` whose gradient with respect to `input` follows the
/// rule: guided passes positive gradients where `active`, deconv passes positive gradients everywhere.
/// Under `plain` it returns `output` itself.
Tensor with_backward_rule(const Tensor& input, const Tensor& output, const Tensor& active, BackwardRule rule);

}  // namespace vitrail
