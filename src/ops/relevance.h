#pragma once

// How what explains the outputs of an operator is sent back to its inputs: the one step of every reverse walk
// over the graph (attribution/relevance/walk.h). Two quantities are sent back:
//
//   relevance R     shares of a score (layer-wise relevance propagation); an operator divides what arrives at its
//                   outputs among its inputs, so that the sum stays, but for what its biases take
//   multipliers m   DeepLIFT: change of the score per change from a baseline; of an operator that is not linear,
//                   sum over the inputs of m (x - base) is that of the outputs
//
// Rules for x -> y, with s = R / (y + epsilon sign(y)):
//
//   moves        data is moved, dropped, repeated        R follows it
//   linear       y linear in all operands at once        x J's: in proportion to what each contributes
//   weights      y = W x + b (weighted_relevance.h)      by the LayerRule
//   pass         elementwise, one operand                R stays where it is
//   winner       the largest or smallest counts          the winner takes all
//   product      y bilinear                              each factor x J's / factors
//   normalised   y = centred(x) / scale(x) ...           linear, with the scale frozen
//   share        everything else                         x J's; such nodes are listed in results
//
// where J' is the transposed Jacobian, computed by autograd from the operator's own forward. DeepLIFT: J'm where y is
// linear; m dy/dx elementwise (the gradient where |dx| < 1e-10); elsewhere J'm averaged on the straight way from
// the baseline, which for a product is exact in its middle.
//
// Sources: Bach et al., On Pixel-Wise Explanations ..., PLOS ONE 2015; Montavon et al., Layer-Wise Relevance
// Propagation: An Overview, 2019; Shrikumar, Greenside, Kundaje, DeepLIFT, ICML 2017; Achtibat et al., AttnLRP, ICML
// 2024.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ops/operator.h"

namespace vitrail {

/// The rule of an operator that has weights.
struct LayerRule {
  enum class Kind {
    epsilon,     ///< a w: every contribution
    gamma,       ///< contributions of the output's own sign count 1 + gamma times
    zplus,       ///< positive contributions
    alpha_beta,  ///< alpha times the positive, less beta times the negative ones
    zbox,        ///< a w - low w+ - high w-: inputs in a box [low, high]
    wsquare,     ///< w^2: whatever the input
    flat,        ///< one a connection: evenly over the inputs
    pass         ///< as they come; input and output of one shape
  };
  Kind kind = Kind::epsilon;
  double epsilon = 1e-6;  ///< added to denominators, with their sign
  double gamma = 0.25;
  double alpha = 2, beta = 1;  ///< alpha - beta = 1
  bool biases = true;          ///< false: a bias takes no share
  Tensor low = {}, high = {};  ///< of zbox, broadcastable to the operator's input
};

/// Places and weights of a quadrature on [0,1].
using PathRule = std::vector<std::pair<double, double>>;

struct RelevanceCall {
  const Operator& op;
  const Tensors& in;                ///< of the forward pass
  const Tensors& out;               ///< of the forward pass
  const Tensors& arrived;           ///< one an output; undefined where nothing arrived
  const std::vector<bool>& wanted;  ///< inputs to send to: floating ones that depend on what is explained
  LayerRule rule = {};
  const RunContext& context;
  // DeepLIFT, where `base_in` is not null:
  const Tensors* base_in = nullptr;  ///< of the forward pass on the baseline
  const Tensors* base_out = nullptr;
  const PathRule* path = nullptr;

  bool deeplift() const { return base_in != nullptr; }
};

struct Relevance {
  Tensors sent;             ///< one an input; defined for the wanted ones
  std::string rule;         ///< "pass", "zplus", ...: for the record
  bool by_default = false;  ///< the operator has no rule of its own
  double to_biases = 0;     ///< of the relevance that arrived
};

/// J' arrived at the forward's inputs: the plain rule, which makes a walk the gradient.
Tensors pull_back(const RelevanceCall& call, const Tensors& arrived);

// The rules above, as overrides of Operator::relevance call them.
Relevance relevance_of_moves(const RelevanceCall& call);
/// `all_operands`: the inputs that are not wanted are operands too (a bias added by an Add), and take their share
/// unless rule.biases is false.
Relevance relevance_of_linear(const RelevanceCall& call, bool all_operands = false);
/// Of one wanted input of the output's shape; else as relevance_of_rest.
Relevance relevance_of_activation(const RelevanceCall& call);
Relevance relevance_of_winner(const RelevanceCall& call, bool largest);
Relevance relevance_of_product(const RelevanceCall& call);
/// `centred`: the linear part of the normalisation, which is its own transpose; the output is it times a factor that is
/// frozen, plus `bias` (undefined: none), broadcastable to the output.
Relevance relevance_of_normalisation(const RelevanceCall& call, const std::function<Tensor(const Tensor&)>& centred,
                                     const Tensor& bias);
Relevance relevance_of_rest(const RelevanceCall& call);

/// x J's for the wanted inputs, each times its factor; `value` of the outputs stands in the denominators.
Relevance shared_by_gradient(const RelevanceCall& call, const std::vector<double>& factors, std::string rule);

/// value + epsilon sign(value), with sign(0) = 1.
Tensor stabilised(const Tensor& value, double epsilon);
/// arrived / stabilised(value), 0 where that is 0.
Tensor per_unit(const Tensor& arrived, const Tensor& value, double epsilon);

}  // namespace vitrail
