#include "ops/weighted_relevance.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>
#include <vitrail/error.h>

#include <algorithm>

namespace vitrail {
namespace {

/// Contributions a_i w_ij of a part of the inputs through a part of the weights.
struct Term {
  Tensor input, weight;
};

struct Shares {
  Tensor sent;
  double to_biases = 0;
};

/// sum over the terms of a_i w_ij / s(z_j) R_j, z_j the sum of all contributions plus the bias.
Shares share(const WeightedSum& sum, const std::vector<Term>& terms, const Tensor& bias, const Tensor& arrived,
             double epsilon) {
  const at::AutoGradMode recording(true);
  Tensors leaves, parts;
  for (const Term& term : terms) {
    leaves.push_back(term.input.detach().requires_grad_(true));
    parts.push_back(sum.apply(leaves.back(), term.weight));
  }
  Tensor total = parts[0].detach();
  for (size_t i = 1; i < parts.size(); ++i) total = total + parts[i].detach();
  if (bias.defined()) total = total + bias;
  const Tensor unit = per_unit(arrived, total, epsilon);
  const Tensors gradients = torch::autograd::grad(parts, leaves, Tensors(parts.size(), unit));
  Shares shares{gradients[0] * terms[0].input};
  for (size_t i = 1; i < terms.size(); ++i) shares.sent = shares.sent + gradients[i] * terms[i].input;
  if (bias.defined()) shares.to_biases = (unit * bias).sum(at::kDouble).item<double>();
  return shares;
}

Shares operator-(const Shares& a, const Shares& b) { return {a.sent - b.sent, a.to_biases - b.to_biases}; }
Shares operator+(const Shares& a, const Shares& b) { return {a.sent + b.sent, a.to_biases + b.to_biases}; }
Shares operator*(const Shares& a, double factor) { return {a.sent * factor, a.to_biases * factor}; }

Tensor positive_part(const Tensor& t) { return t.defined() ? t.clamp_min(0) : t; }
Tensor negative_part(const Tensor& t) { return t.defined() ? t.clamp_max(0) : t; }

/// a+ through one set of weights and a- through another; a- is left out where nothing is negative.
std::vector<Term> by_sign(const Tensor& a, const Tensor& for_positive, const Tensor& for_negative) {
  std::vector<Term> terms = {{positive_part(a), for_positive}};
  if (a.lt(0).any().item<bool>()) terms.push_back({negative_part(a), for_negative});
  return terms;
}

Shares by_gamma(const WeightedSum& sum, const Tensor& bias, const RelevanceCall& call) {
  const Tensor &a = call.in[0], &w = sum.weight, &arrived = call.arrived[0];
  const double gamma = call.rule.gamma;
  const Tensor more = w + positive_part(w) * gamma, less = w + negative_part(w) * gamma;
  const auto of_bias = [&](const Tensor& part) { return bias.defined() ? bias + part * gamma : bias; };
  Tensor value = sum.apply(a, w);
  if (bias.defined()) value = value + bias;
  const auto where = [&](const Tensor& chosen) { return arrived * chosen.to(arrived.scalar_type()); };
  return share(sum, by_sign(a, more, less), of_bias(positive_part(bias)), where(value.gt(0)), call.rule.epsilon) +
         share(sum, by_sign(a, less, more), of_bias(negative_part(bias)), where(value.lt(0)), call.rule.epsilon);
}

/// What has one sign: positive contributions, or negative ones.
Shares of_one_sign(const WeightedSum& sum, const Tensor& bias, const RelevanceCall& call, bool positive) {
  const Tensor up = positive_part(sum.weight), down = negative_part(sum.weight);
  return share(sum, positive ? by_sign(call.in[0], up, down) : by_sign(call.in[0], down, up),
               positive ? positive_part(bias) : negative_part(bias), call.arrived[0], call.rule.epsilon);
}

Shares by_box(const WeightedSum& sum, const RelevanceCall& call) {
  const Tensor &a = call.in[0], &w = sum.weight;
  VITRAIL_CHECK(call.rule.low.defined() && call.rule.high.defined(), "zbox without a box");
  const auto side = [&](const Tensor& limit) { return -limit.to(a.options()).expand_as(a); };
  return share(sum, {{a, w}, {side(call.rule.low), positive_part(w)}, {side(call.rule.high), negative_part(w)}}, {},
               call.arrived[0], call.rule.epsilon);
}

Shares by_rule(const WeightedSum& sum, const RelevanceCall& call) {
  const Tensor& a = call.in[0];
  const Tensor bias = call.rule.biases ? sum.bias : Tensor();
  switch (call.rule.kind) {
    case LayerRule::Kind::epsilon:
      return share(sum, {{a, sum.weight}}, bias, call.arrived[0], call.rule.epsilon);
    case LayerRule::Kind::gamma:
      return by_gamma(sum, bias, call);
    case LayerRule::Kind::zplus:
      return of_one_sign(sum, bias, call, true);
    case LayerRule::Kind::alpha_beta: {
      const Shares positive = of_one_sign(sum, bias, call, true) * call.rule.alpha;
      return call.rule.beta == 0 ? positive : positive - of_one_sign(sum, bias, call, false) * call.rule.beta;
    }
    case LayerRule::Kind::zbox:
      return by_box(sum, call);
    case LayerRule::Kind::wsquare:
      return share(sum, {{at::ones_like(a), sum.weight.square()}}, {}, call.arrived[0], call.rule.epsilon);
    case LayerRule::Kind::flat:
      return share(sum, {{at::ones_like(a), at::ones_like(sum.weight)}}, {}, call.arrived[0], call.rule.epsilon);
    case LayerRule::Kind::pass:
      if (a.sizes() != call.out[0].sizes())
        throw UsageError("the rule pass needs an input and an output of one shape; here they differ. Take epsilon.");
      return {call.arrived[0]};
  }
  VITRAIL_CHECK(false, "unknown rule");
  return {};
}

}  // namespace

std::string name_of(LayerRule::Kind kind) {
  switch (kind) {
    case LayerRule::Kind::epsilon:
      return "epsilon";
    case LayerRule::Kind::gamma:
      return "gamma";
    case LayerRule::Kind::zplus:
      return "zplus";
    case LayerRule::Kind::alpha_beta:
      return "alpha_beta";
    case LayerRule::Kind::zbox:
      return "zbox";
    case LayerRule::Kind::wsquare:
      return "wsquare";
    case LayerRule::Kind::flat:
      return "flat";
    case LayerRule::Kind::pass:
      return "pass";
  }
  VITRAIL_CHECK(false, "unknown rule");
  return {};
}

Relevance relevance_of_weights(const RelevanceCall& call, const WeightedSum& sum) {
  const bool weights_are_computed = std::count(call.wanted.begin(), call.wanted.end(), true) != 1 || !call.wanted[0];
  if (weights_are_computed) return relevance_of_product(call);
  if (call.deeplift()) return relevance_of_moves(call);
  const Shares shares = by_rule(sum, call);
  Relevance result{Tensors(call.in.size()), name_of(call.rule.kind)};
  result.sent[0] = shares.sent;
  result.to_biases = shares.to_biases;
  return result;
}

}  // namespace vitrail
