#include "model/bias_terms.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <unordered_map>
#include <utility>

#include "graph/graph_impl.h"
#include "model/layout.h"
#include "ops/failure.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// Smaller than this share of the node's own output, a bias is rounding.
constexpr double kRounding = 1e-5;

bool carries(const Tensor& tensor) { return tensor.defined() && tensor.is_floating_point(); }

/// A node that has run on leaves of its own, so that it can be differentiated alone.
struct Step {
  const Graph::Impl::Node* node;
  std::vector<int> inputs, outputs;  ///< values: of the leaves, of what is differentiable
  Tensors leaves, values, biases;    ///< biases as the values
};

/// out - J u for every output.
Tensors biases_of(const Tensors& outputs, const Tensors& leaves) {
  Tensors directions, inputs, biases;
  if (leaves.empty()) {  // nothing differentiable comes in: all of it is bias
    for (const Tensor& out : outputs) biases.push_back(out.detach());
    return biases;
  }
  for (const Tensor& out : outputs) directions.push_back(at::zeros_like(out).requires_grad_(true));
  for (const Tensor& leaf : leaves) inputs.push_back(leaf.detach());
  const Tensors pulled = gradient(outputs, leaves, directions, /*create_graph=*/true);
  const Tensors pushed = gradient(pulled, directions, inputs, /*create_graph=*/false, /*retain_graph=*/true);
  for (size_t i = 0; i < outputs.size(); ++i) biases.push_back(outputs[i].detach() - pushed[i]);
  return biases;
}

class Walk {
 public:
  Walk(const Model& model, const Tensor& input) : graph_(model.graph().impl()) {
    if (!graph_.batch.generalises && graph_.base_batch != 1)
      throw UsageError("fullgrad: this model runs in groups of " + std::to_string(graph_.base_batch) +
                       " samples, which share their gradients; expected one that runs single samples.");
    Tensors live(graph_.values.size());
    std::vector<char> fed(graph_.values.size(), 0);
    input_ = graph_.find(model.input_value());
    output_ = graph_.find(model.only_output_value("fullgrad"));
    fed[static_cast<size_t>(input_)] = 1;
    live[static_cast<size_t>(input_)] =
        model.to_layout(input).to(graph_.device, graph_.values[static_cast<size_t>(input_)].traced.type).detach();
    for (const int n : graph_.needed_nodes(fed, {output_})) run(graph_.nodes[static_cast<size_t>(n)], live);
    logits_ = live[static_cast<size_t>(output_)];
  }

  const Tensor& logits() const { return logits_; }
  const std::vector<Step>& steps() const { return steps_; }

  /// Gradients of every value, given the one at the logits; undefined where there is none.
  Tensors back(const Tensor& gradient_at_logits) const {
    Tensors gradients(graph_.values.size());
    gradients[static_cast<size_t>(output_)] = gradient_at_logits;
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      Tensors outputs, weights;
      for (size_t i = 0; i < step->outputs.size(); ++i) {
        const Tensor& weight = gradients[static_cast<size_t>(step->outputs[i])];
        if (!weight.defined()) continue;
        outputs.push_back(step->values[i]);
        weights.push_back(weight);
      }
      if (outputs.empty() || step->leaves.empty()) continue;
      const Tensors passed = gradient(outputs, step->leaves, weights, /*create_graph=*/false, /*retain_graph=*/true);
      for (size_t i = 0; i < passed.size(); ++i) {
        Tensor& sum = gradients[static_cast<size_t>(step->inputs[i])];
        sum = sum.defined() ? sum + passed[i] : passed[i];
      }
    }
    return gradients;
  }

  Tensor at_input(const Tensors& gradients) const { return gradients[static_cast<size_t>(input_)]; }

 private:
  void run(const Graph::Impl::Node& node, Tensors& live) {
    Step step{&node, {}, {}, {}, {}, {}};
    Tensors in;
    for (const int id : node.inputs) {
      if (id == Graph::Impl::kAbsent) {
        in.emplace_back();
        continue;
      }
      const Graph::Impl::Value& value = graph_.values[static_cast<size_t>(id)];
      const Tensor& given = live[static_cast<size_t>(id)];
      if (given.defined() && carries(given) && (value.traced.depends_on_input || id == input_)) {
        step.inputs.push_back(id);
        step.leaves.push_back(given.detach().requires_grad_(true));
        in.push_back(step.leaves.back());
      } else {
        in.push_back(given.defined() ? given : value.constant);
      }
    }
    try {
      const Tensors out = node.op->forward(in, {});
      for (size_t i = 0; i < node.outputs.size() && i < out.size(); ++i) {
        if (node.outputs[i] == Graph::Impl::kAbsent || !out[i].defined()) continue;
        const auto id = static_cast<size_t>(node.outputs[i]);
        live[id] = out[i].detach();
        if (!carries(out[i]) || !graph_.values[id].traced.depends_on_input) continue;
        step.outputs.push_back(node.outputs[i]);
        step.values.push_back(out[i]);
      }
      step.biases = biases_of(step.values, step.leaves);
    } catch (...) {
      rethrow_at(node_title(node.spec));
    }
    if (!step.outputs.empty()) steps_.push_back(std::move(step));
  }

  const Graph::Impl& graph_;
  int input_ = 0, output_ = 0;
  Tensor logits_;
  std::vector<Step> steps_;
};

/// Layers by value, and how their positions lie.
class Places {
 public:
  explicit Places(const Model& model) : layouts_(model.layouts()) {
    for (const LayerInfo& layer : model.graph().layers()) names_[layer.value] = layer.name;
  }

  /// Appends the term of `products` [T,1,...], one sample's value for every target. Class tokens and registers become a
  /// term of their own: they have no place in the photo.
  void add(std::vector<BiasTerm>& terms, const std::string& value, const std::string& op,
           const Tensor& products) const {
    const auto name = names_.find(value);
    const std::string layer = name == names_.end() ? value : name->second;
    const auto layout = layouts_.place_of(value);
    const auto row = [](const Tensor& t) { return t.reshape({t.size(0), 1, 1, -1}); };
    if (!layout) {
      terms.push_back({layer, op, row(products), false});
      return;
    }
    Tensors planes, others;
    for (int64_t t = 0; t < products.size(0); ++t) {
      planes.push_back(to_planes(products[t], *layout));
      others.push_back(without_position(products[t], *layout));
    }
    terms.push_back({layer, op, at::cat(planes), true});
    if (layout->has_others) terms.push_back({layer, op, row(at::cat(others)), false});
  }

 private:
  std::unordered_map<std::string, std::string> names_;
  const SpatialLayouts& layouts_;
};

bool is_rounding(const Tensor& bias, const Tensor& value) {
  return bias.abs().max().item<double>() <= kRounding * value.abs().max().item<double>();
}

}  // namespace

std::vector<BiasTerm> find_bias_terms(const Model& model, const std::vector<Target>& targets, const Tensor& input) {
  const at::AutoGradMode recording(true);
  const Walk walk(model, input);
  const Tensor logits = walk.logits().detach().requires_grad_(true);
  const Tensor scores = target_scores(model.outputs_of({{model.logits_value(), logits}}, 1), targets)[0];
  const Tensor picture = input.detach().requires_grad_(true);
  const Tensor laid = model.to_layout(picture.clone());

  Tensors of_input, of_target;                         // one a target
  std::vector<std::pair<const Step*, size_t>> biased;  // step and output
  for (const Step& step : walk.steps())
    for (size_t i = 0; i < step.values.size(); ++i)
      if (!is_rounding(step.biases[i], step.values[i])) biased.emplace_back(&step, i);
  std::vector<Tensors> of_bias(biased.size());
  for (int64_t t = 0; t < scores.size(0); ++t) {
    const Tensor at_logits = gradient({scores[t]}, {logits}, {}, /*create_graph=*/false, /*retain_graph=*/true)[0];
    of_target.push_back((scores[t] - (at_logits * logits).sum().cpu()).detach().view({1, 1, 1}));
    const Tensors gradients = walk.back(at_logits);
    const Tensor at_input = walk.at_input(gradients);
    const Tensor weight = at_input.defined() ? at_input.to(laid.options()) : at::zeros_like(laid);
    of_input.push_back((gradient({laid}, {picture}, {weight}, false, /*retain_graph=*/true)[0] * input)[0]);
    for (size_t k = 0; k < biased.size(); ++k) {
      const auto [step, i] = biased[k];
      const Tensor& at_value = gradients[static_cast<size_t>(step->outputs[i])];
      of_bias[k].push_back(at_value.defined() ? at_value * step->biases[i] : at::zeros_like(step->biases[i]));
    }
  }
  std::vector<BiasTerm> terms = {{model.input_value(), "input", at::stack(of_input), true}};
  const Places places(model);
  for (size_t k = 0; k < biased.size(); ++k) {
    const auto [step, i] = biased[k];
    const std::string& value = model.graph().impl().values[static_cast<size_t>(step->outputs[i])].name;
    places.add(terms, value, step->node->spec.op_type, at::stack(of_bias[k]).cpu());
  }
  if (!is_rounding(at::stack(of_target), scores.detach()))
    terms.push_back({model.logits_value(), "target", at::stack(of_target), false});
  return terms;
}

}  // namespace vitrail
