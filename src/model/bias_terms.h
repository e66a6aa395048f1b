#pragma once

// What a network adds of its own on the way from the input to the score.
//
// Every node is out = J u + b, with J its derivative at its inputs u and b the rest: the bias of a convolution,
// beta - gamma mu / sqrt(var + epsilon) of a batch normalisation, 6 on the plateau of a ReLU6, s(u) - u s'(u) of any
// activation, nothing for ReLU and pooling. Since derivatives chain, <gradient at out, b> over all nodes and
// <gradient, input> add up to the score, whatever the operators are. J u is found by differentiating the
// transposed derivative, which is linear: no rule is written for any operator.

#include <vector>

#include "vitrail/model.h"

namespace vitrail {

/// The terms for one input [1,C,H,W]: the input's own first (gradient times input), then those of nodes with a bias,
/// then the target's where its score is no linear function of the logits. Costs a forward, a backward a target, and
/// about two backwards for the biases.
std::vector<BiasTerm> find_bias_terms(const Model& model, const std::vector<Target>& targets, const Tensor& input);

}  // namespace vitrail
