// Running the frozen graph: which nodes are needed, in order, releasing values after their last use.

#include <ATen/ops/cat.h>

#include <algorithm>

#include "graph/graph_impl.h"
#include "ops/arguments.h"
#include "ops/failure.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// The batch of a fed tensor, or -1 where its shape does not depend on the batch. Throws UsageError
/// when the tensor does not fit the value.
int64_t batch_of(const Graph::Impl::Value& value, const Tensor& tensor) {
  const Shape& shape = value.traced.shape;
  auto mismatch = [&] {
    return UsageError("the tensor fed at '" + value.name + "' has shape [" + join(tensor.sizes().vec()) +
                      "]; expected " + to_string(shape) + ".");
  };
  if (static_cast<size_t>(tensor.dim()) != shape.size()) throw mismatch();
  int64_t batch = -1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].per_batch == 0) {
      if (tensor.size(i) != shape[i].fixed) throw mismatch();
      continue;
    }
    int64_t rest = tensor.size(i) - shape[i].fixed;
    if (rest <= 0 || rest % shape[i].per_batch != 0) throw mismatch();
    int64_t found = rest / shape[i].per_batch;
    if (batch >= 0 && found != batch) throw mismatch();
    batch = found;
  }
  return batch;
}

/// In a graph that cannot run another batch than its own, dimension 0 holds the samples: how many groups
/// of its batch the tensor holds.
int64_t groups_of(const Graph::Impl::Value& value, const Tensor& tensor, int64_t base_batch) {
  const Shape& shape = value.traced.shape;
  bool fits = static_cast<size_t>(tensor.dim()) == shape.size() && !shape.empty() && shape[0].fixed > 0 &&
              tensor.size(0) > 0 && tensor.size(0) % shape[0].fixed == 0;
  for (size_t i = 1; fits && i < shape.size(); ++i) fits = tensor.size(i) == shape[i].fixed;
  if (!fits)
    throw UsageError("the tensor fed at '" + value.name + "' has shape [" + join(tensor.sizes().vec()) +
                     "]; expected " + to_string(shape) +
                     " or a multiple of its first dimension (this model runs in groups of " +
                     std::to_string(base_batch) + ").");
  return tensor.size(0) / shape[0].fixed;
}

}  // namespace

std::vector<int> Graph::Impl::needed_nodes(const std::vector<char>& fed, const std::vector<int>& fetches) const {
  std::vector<char> needed(values.size(), 0), produced(values.size(), 0);
  for (int id : fetches) needed[id] = 1;
  std::vector<int> order;
  for (int n = static_cast<int>(nodes.size()) - 1; n >= 0; --n) {
    bool wanted = false;
    for (int output : nodes[n].outputs)
      if (output != kAbsent) wanted |= needed[output] && !fed[output];
    if (!wanted) continue;
    order.push_back(n);
    for (int output : nodes[n].outputs)
      if (output != kAbsent) produced[output] = 1;
    for (int input : nodes[n].inputs)
      if (input != kAbsent) needed[input] = 1;
  }
  for (size_t id = 0; id < values.size(); ++id)
    if (needed[id] && !produced[id] && !fed[id] && !values[id].constant.defined())
      throw UsageError("the value '" + values[id].name + "' " + to_string(values[id].traced.shape) +
                       " is needed and was not fed. Feed it, or fetch values that do not depend on it.");
  std::reverse(order.begin(), order.end());
  return order;
}

Tensors Graph::Impl::run_batch(const std::vector<std::pair<int, Tensor>>& feeds, const std::vector<int>& fetches,
                               int64_t batch, const RunOptions& options) const {
  std::vector<char> fed(values.size(), 0);
  Tensors live(values.size());
  for (const auto& [id, tensor] : feeds) {
    fed[id] = 1;
    live[id] = tensor;
  }
  std::vector<int> order = needed_nodes(fed, fetches);
  std::vector<int> uses(values.size(), 0);
  for (int n : order)
    for (int input : nodes[n].inputs)
      if (input != kAbsent) ++uses[input];
  for (int id : fetches) ++uses[id];

  RunContext context;
  context.batch = batch;
  context.backward_rule = options.backward_rule;
  for (int n : order) {
    const Node& node = nodes[n];
    Tensors in;
    in.reserve(node.inputs.size());
    for (int input : node.inputs)
      in.push_back(input == kAbsent ? Tensor() : live[input].defined() ? live[input] : values[input].constant);
    Tensors out;
    try {
      out = node.op->forward(in, context);
    } catch (...) {
      rethrow_at(node_title(node.spec));
    }
    for (size_t i = 0; i < node.outputs.size() && i < out.size(); ++i)
      if (node.outputs[i] != kAbsent && !fed[node.outputs[i]] && uses[node.outputs[i]] > 0)
        live[node.outputs[i]] = std::move(out[i]);
    for (int input : node.inputs)
      if (input != kAbsent && --uses[input] == 0) live[input] = Tensor();
  }
  Tensors result;
  for (int id : fetches) result.push_back(live[id].defined() ? live[id] : values[id].constant);
  return result;
}

Tensor Graph::Impl::join_groups(int id, const Tensors& groups) const {
  if (groups[0].is_same(values[id].constant)) return groups[0];
  if (groups[0].dim() == 0)
    throw ModelError("the value '" + values[id].name + "' is one number for all the " + std::to_string(base_batch) +
                     " sample(s) that this model runs at once; several groups of them have no such value. Run one.");
  return at::cat(groups, 0);
}

Tensors Graph::run(const Feeds& feeds, const std::vector<std::string>& fetches, const RunOptions& options) const try {
  const Impl& graph = *impl_;
  std::vector<int> wanted;
  for (const std::string& name : fetches) wanted.push_back(graph.find(name));

  std::vector<std::pair<int, Tensor>> given;
  int64_t batch = -1, groups = -1;
  for (const auto& [name, tensor] : feeds) {
    int id = graph.find(name);
    const Impl::Value& value = graph.values[id];
    if (!tensor.defined()) throw UsageError("the tensor fed at '" + name + "' is undefined.");
    int64_t found = graph.batch.generalises ? batch_of(value, tensor) : groups_of(value, tensor, graph.base_batch);
    int64_t& known = graph.batch.generalises ? batch : groups;
    if (found >= 0 && known >= 0 && found != known)
      throw UsageError("the feeds disagree about the batch: '" + name + "' holds " + std::to_string(found) +
                       ", others " + std::to_string(known) + ".");
    if (found >= 0) known = found;
    given.emplace_back(id, tensor.to(graph.device, value.traced.type));
  }
  if (graph.batch.generalises || groups <= 1)
    return graph.run_batch(given, wanted, batch < 0 ? graph.base_batch : batch, options);

  std::vector<Tensors> parts(wanted.size());
  for (int64_t group = 0; group < groups; ++group) {
    std::vector<std::pair<int, Tensor>> slice;
    for (const auto& [id, tensor] : given) {
      int64_t rows = tensor.size(0) / groups;
      slice.emplace_back(id, tensor.narrow(0, group * rows, rows));
    }
    Tensors out = graph.run_batch(slice, wanted, graph.base_batch, options);
    for (size_t i = 0; i < out.size(); ++i) parts[i].push_back(out[i]);
  }
  Tensors result;
  for (size_t i = 0; i < parts.size(); ++i) result.push_back(graph.join_groups(wanted[i], parts[i]));
  return result;
} catch (const c10::Error&) {  // outside the nodes: feeds of another type, memory
  rethrow_at("running " + path());
}

}  // namespace vitrail
