#include "attribution/relevance/walk.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>
#include <vitrail/error.h>
#include <vitrail/graph.h>

#include <algorithm>

#include "attribution/gradient/gauss_legendre.h"
#include "ops/failure.h"

namespace vitrail {

namespace {

Tensor plus(const Tensor& sum, const Tensor& more) { return sum.defined() ? sum + more : more; }

Relevance send(const Walk& walk, RelevanceCall call, const Tensors& base_in, const Tensors& base_out) {
  if (walk.rules == Walk::Rules::gradient) return {pull_back(call, call.arrived), "gradient"};
  if (walk.rules == Walk::Rules::deeplift) {
    call.base_in = &base_in;
    call.base_out = &base_out;
    call.path = &path_rule();
  }
  return call.op.relevance(call);
}

}  // namespace

const PathRule& path_rule() {
  constexpr int64_t nodes = 12;
  static const PathRule rule = [] {
    const Quadrature quadrature = gauss_legendre(nodes);
    PathRule made;
    for (size_t i = 0; i < quadrature.nodes.size(); ++i) made.emplace_back(quadrature.nodes[i], quadrature.weights[i]);
    return made;
  }();
  return rule;
}

WalkResult walk_back(const RelevanceGraph& graph, const Tensors& values, const Tensor& seed, const Walk& walk) {
  const at::NoGradGuard no_grad;
  RunContext context;
  context.batch = values[graph.input()].size(0);
  context.backward_rule = walk.backward_rule;
  Tensors arrived(graph.values());
  arrived[graph.output()] = seed;
  WalkResult result;
  const auto change = [&](int value) {
    const auto found = walk.changes.find(value);
    if (found != walk.changes.end() && arrived[value].defined()) arrived[value] = found->second(arrived[value]);
  };
  for (auto node = graph.nodes().rbegin(); node != graph.nodes().rend(); ++node) {
    Tensors here;
    for (const int id : node->outputs) {
      if (id != Graph::Impl::kAbsent) change(id);
      here.push_back(id == Graph::Impl::kAbsent ? Tensor() : arrived[id]);
    }
    if (walk.visit) walk.visit(*node, here);
    const auto defined = [](const Tensor& t) { return t.defined(); };
    if (std::none_of(here.begin(), here.end(), defined)) continue;
    if (std::find(node->wanted.begin(), node->wanted.end(), true) == node->wanted.end()) continue;
    const Tensors in = graph.inputs_of(*node, values), out = graph.outputs_of(*node, values);
    Tensors base_in, base_out;
    if (walk.baseline) {
      base_in = graph.inputs_of(*node, *walk.baseline);
      base_out = graph.outputs_of(*node, *walk.baseline);
    }
    Relevance sent;
    try {
      sent = send(walk,
                  {*node->op, in, out, here, node->wanted, walk.rule_of ? walk.rule_of(*node) : LayerRule(), context},
                  base_in, base_out);
    } catch (const Error&) {
      throw;
    } catch (...) {
      rethrow_at(node->title);
    }
    ++result.rules[sent.rule];
    if (sent.by_default) result.by_default.push_back(node->title);
    result.to_biases += sent.to_biases;
    for (size_t i = 0; i < node->inputs.size(); ++i)
      if (node->wanted[i]) arrived[node->inputs[i]] = plus(arrived[node->inputs[i]], sent.sent[i]);
    for (const int id : node->outputs)
      if (id != Graph::Impl::kAbsent) arrived[id] = Tensor();
  }
  change(graph.input());
  result.at_input = arrived[graph.input()].defined() ? arrived[graph.input()] : at::zeros_like(values[graph.input()]);
  return result;
}

Tensor as_planes(const RelevanceGraph& graph, const Tensor& at_input, const Tensor& input) {
  const at::AutoGradMode recording(true);
  const Tensor planes = input.unsqueeze(0).detach().requires_grad_(true);
  const Tensor laid_out = graph.model().to_layout(planes.view_as(planes));  // moves values only: so does its gradient
  return gradient({laid_out}, {planes}, {at_input.to(laid_out.options())})[0][0];
}

Tensor scores_at(const RelevanceGraph& graph, const Tensor& input, const Tensor& value,
                 std::span<const Target> targets) {
  const Model& model = graph.model();
  return target_scores(model.outputs_from(input.unsqueeze(0), model.logits_value(), value), targets)[0];
}

Tensor target_gradient(const RelevanceGraph& graph, const Tensor& input, const Tensor& value, const Target& target,
                       const Tensor& base) {
  const at::AutoGradMode recording(true);
  const auto at = [&](const Tensor& place) {
    const Tensor leaf = place.detach().requires_grad_(true);
    return gradient({scores_at(graph, input, leaf.view_as(leaf), {&target, 1})}, {leaf})[0];
  };
  if (!base.defined()) return at(value);
  Tensor mean;
  for (const auto& [place, weight] : path_rule()) mean = plus(mean, at(base + (value - base) * place) * weight);
  return mean;
}

}  // namespace vitrail
