#include "ops/relevance.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

namespace vitrail {
namespace {

/// Below this a change is none, and the quotient of changes is the derivative.
constexpr double kNoChange = 1e-10;

double sum_of(const Tensor& t) { return t.sum(at::kDouble).item<double>(); }

double sum_of(const Tensors& tensors) {
  double sum = 0;
  for (const Tensor& t : tensors)
    if (t.defined()) sum += sum_of(t);
  return sum;
}

/// J' arrived at inputs `at`.
Tensors pull_back_at(const RelevanceCall& call, const Tensors& at, const Tensors& arrived) {
  const at::AutoGradMode recording(true);
  Tensors in = at, leaves;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!call.wanted[i]) continue;
    leaves.push_back(in[i].detach().requires_grad_(true));
    in[i] = leaves.back().view_as(leaves.back());  // an operator may hand on its input itself
  }
  const Tensors out = call.op.forward(in, call.context);
  Tensors reached, weights;
  for (size_t k = 0; k < arrived.size() && k < out.size(); ++k) {
    if (!arrived[k].defined() || !out[k].defined() || !out[k].requires_grad()) continue;
    reached.push_back(out[k]);
    weights.push_back(arrived[k].to(out[k].scalar_type()));
  }
  Tensors gradients(leaves.size());
  if (!reached.empty())
    gradients = torch::autograd::grad(reached, leaves, weights, /*retain_graph=*/false, /*create_graph=*/false,
                                      /*allow_unused=*/true);
  Tensors sent(in.size());
  for (size_t i = 0, leaf = 0; i < in.size(); ++i) {
    if (!call.wanted[i]) continue;
    sent[i] = gradients[leaf].defined() ? gradients[leaf] : at::zeros_like(leaves[leaf]);
    ++leaf;
  }
  return sent;
}

/// in times gradient, 0 at infinite inputs (what a mask put there is no contribution).
Tensor times_input(const Tensor& gradient, const Tensor& in) {
  return at::where(in.isinf(), at::zeros_like(gradient), gradient * in);
}

std::string named(const RelevanceCall& call, const char* rule) { return call.deeplift() ? "gradient" : rule; }

size_t count(const std::vector<bool>& wanted) { return std::count(wanted.begin(), wanted.end(), true); }

/// m dy/dx for one elementwise operand.
Relevance rescaled(const RelevanceCall& call, size_t i) {
  const Tensor change = call.in[i] - (*call.base_in)[i], effect = call.out[0] - (*call.base_out)[0];
  const Tensor none = change.abs().lt(kNoChange);
  const Tensor quotient = call.arrived[0] * effect / change.masked_fill(none, 1);
  Relevance result{Tensors(call.in.size()), "rescale"};
  result.sent[i] = none.any().item<bool>() ? at::where(none, pull_back(call, call.arrived)[i], quotient) : quotient;
  return result;
}

/// J'm averaged on the straight way from the baseline.
Relevance averaged(const RelevanceCall& call, const PathRule& path) {
  Relevance result{Tensors(call.in.size()), "path"};
  for (const auto& [place, weight] : path) {
    Tensors in = call.in;
    for (size_t i = 0; i < in.size(); ++i)
      if (call.wanted[i]) in[i] = (*call.base_in)[i] + (call.in[i] - (*call.base_in)[i]) * place;
    const Tensors sent = pull_back_at(call, in, call.arrived);
    for (size_t i = 0; i < in.size(); ++i) {
      if (!call.wanted[i]) continue;
      const Tensor part = sent[i] * weight;
      result.sent[i] = result.sent[i].defined() ? result.sent[i] + part : part;
    }
  }
  return result;
}

}  // namespace

Relevance Operator::relevance(const RelevanceCall& call) const { return relevance_of_rest(call); }

Tensors pull_back(const RelevanceCall& call, const Tensors& arrived) { return pull_back_at(call, call.in, arrived); }

Tensor stabilised(const Tensor& value, double epsilon) {
  return at::where(value.lt(0), value - epsilon, value + epsilon);
}

Tensor per_unit(const Tensor& arrived, const Tensor& value, double epsilon) {
  const Tensor denominator = stabilised(value, epsilon);
  const Tensor none = denominator.eq(0);
  return at::where(none, at::zeros_like(arrived), arrived / denominator.masked_fill(none, 1));
}

Relevance shared_by_gradient(const RelevanceCall& call, const std::vector<double>& factors, std::string rule) {
  Tensors units(call.arrived.size());
  for (size_t k = 0; k < units.size(); ++k)
    if (call.arrived[k].defined()) units[k] = per_unit(call.arrived[k], call.out[k], call.rule.epsilon);
  Relevance result{pull_back(call, units), std::move(rule)};
  for (size_t i = 0; i < call.in.size(); ++i)
    if (call.wanted[i]) result.sent[i] = times_input(result.sent[i], call.in[i]) * factors[i];
  return result;
}

Relevance relevance_of_moves(const RelevanceCall& call) { return {pull_back(call, call.arrived), named(call, "pass")}; }

Relevance relevance_of_linear(const RelevanceCall& call, bool all_operands) {
  if (call.deeplift()) return relevance_of_moves(call);
  const std::vector<double> whole(call.in.size(), 1);
  if (!all_operands || count(call.wanted) == call.in.size()) return shared_by_gradient(call, whole, "norm");
  if (call.rule.biases) {
    Relevance result = shared_by_gradient(call, whole, "norm");
    result.to_biases = sum_of(call.arrived) - sum_of(result.sent);
    return result;
  }
  Tensors in = call.in;
  for (size_t i = 0; i < in.size(); ++i)
    if (!call.wanted[i]) in[i] = at::zeros_like(in[i]);
  const Tensors out = call.op.forward(in, call.context);
  return shared_by_gradient({call.op, in, out, call.arrived, call.wanted, call.rule, call.context}, whole, "norm");
}

Relevance relevance_of_activation(const RelevanceCall& call) {
  const size_t i = std::find(call.wanted.begin(), call.wanted.end(), true) - call.wanted.begin();
  if (count(call.wanted) != 1 || call.in[i].sizes() != call.out[0].sizes()) return relevance_of_rest(call);
  if (call.deeplift()) return rescaled(call, i);
  Relevance result{Tensors(call.in.size()), "pass"};
  result.sent[i] = call.arrived[0];
  return result;
}

Relevance relevance_of_winner(const RelevanceCall& call, bool largest) {
  if (!call.deeplift()) return {pull_back(call, call.arrived), "winner"};
  // From the baseline to the better of the two extremes the winner of the input moves the output, from there to
  // the input that of the baseline.
  const Tensor &here = call.out[0], &there = (*call.base_out)[0];
  const Tensor better = largest ? at::maximum(here, there) : at::minimum(here, there);
  const Tensors up = pull_back_at(call, call.in, {call.arrived[0] * (better - there)});
  const Tensors down = pull_back_at(call, *call.base_in, {call.arrived[0] * (here - better)});
  Relevance result{Tensors(call.in.size()), "winner"};
  Tensors gradient;
  for (size_t i = 0; i < call.in.size(); ++i) {
    if (!call.wanted[i]) continue;
    const Tensor change = call.in[i] - (*call.base_in)[i], none = change.abs().lt(kNoChange);
    if (gradient.empty()) gradient = pull_back(call, call.arrived);
    result.sent[i] = at::where(none, gradient[i], (up[i] + down[i]) / change.masked_fill(none, 1));
  }
  return result;
}

Relevance relevance_of_product(const RelevanceCall& call) {
  static const PathRule middle = {{0.5, 1.0}};
  const size_t factors = count(call.wanted);
  if (call.deeplift()) return factors <= 2 ? averaged(call, middle) : averaged(call, *call.path);
  const double share = 1 / static_cast<double>(factors);
  return shared_by_gradient(call, std::vector<double>(call.in.size(), share), factors == 1 ? "norm" : "product");
}

Relevance relevance_of_normalisation(const RelevanceCall& call, const std::function<Tensor(const Tensor&)>& centred,
                                     const Tensor& bias) {
  if (call.deeplift() || count(call.wanted) != 1 || !call.wanted[0]) return relevance_of_rest(call);
  const Tensor &x = call.in[0], shown = centred(x);
  const Tensor core = bias.defined() ? call.out[0] - bias : call.out[0];
  const Tensor unit = per_unit(call.arrived[0], call.rule.biases ? call.out[0] : core, call.rule.epsilon);
  Relevance result{Tensors(call.in.size()), "normalised"};
  result.sent[0] = x * centred(per_unit(core * unit, shown, 0));
  if (bias.defined() && call.rule.biases) result.to_biases = sum_of(unit * bias);
  return result;
}

Relevance relevance_of_rest(const RelevanceCall& call) {
  Relevance result = call.deeplift() ? averaged(call, *call.path)
                                     : shared_by_gradient(call, std::vector<double>(call.in.size(), 1), "share");
  result.by_default = true;
  return result;
}

}  // namespace vitrail
