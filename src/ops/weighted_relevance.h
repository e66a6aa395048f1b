#pragma once

// The rules of layer-wise relevance propagation for y = W x + b. With a+ = max(a, 0), a- = min(a, 0), sums over the
// inputs i of output j, and s(z) = z + epsilon sign(z), input i gets
//
//   epsilon      sum_j a_i w_ij / s(z_j) R_j,                          z_j = sum_i a_i w_ij + b_j
//   gamma        over the outputs z_j > 0: a+(w + gamma w+) + a-(w + gamma w-), over its sum plus b + gamma b+;
//                over the outputs z_j < 0: a+(w + gamma w-) + a-(w + gamma w+), over its sum plus b + gamma b-
//   zplus        a+w+ + a-w-  over its sum plus b+
//   alpha_beta   alpha times zplus, less beta times the same of  a+w- + a-w+  and b-
//   zbox         a w - low w+ - high w-  over its sum
//   wsquare      w^2 over its sum
//   flat         1 over the number of connections
//
// gamma is the generalised form, for inputs of any sign; for inputs from ReLU and positive outputs it is the usual
// w + gamma w+. Without biases (LayerRule::biases) the b's are left out.
//
// Sources: as relevance.h; gamma for signed inputs: Andeol et al., Learning Domain Invariant Representations by Joint
// Wasserstein Distance Minimization, Neural Networks 2023.

#include <functional>

#include "ops/relevance.h"

namespace vitrail {

/// y = apply(x, weight) + bias.
struct WeightedSum {
  Tensor weight;
  Tensor bias;  ///< broadcastable to y; undefined: none
  std::function<Tensor(const Tensor& x, const Tensor& weight)> apply;
};

/// Where more than input 0 is wanted (weights that are computed), the node is a product.
Relevance relevance_of_weights(const RelevanceCall& call, const WeightedSum& sum);

/// "zplus", ...
std::string name_of(LayerRule::Kind kind);

}  // namespace vitrail
