// Tracing: running every node once, on two batch sizes in lock step.
//
// Let B be the batch that the file was exported with (1 where it is open). The graph runs on B samples
// and on B+2 samples that contain them, node by node:
//
//   * a value that no input data reaches and that is equal in both runs is a constant: it is folded;
//   * an integer value that only shapes reach and that differs is affine in the batch: it becomes a
//     BatchShape leaf (fixed + per_batch * N), whatever chain of Shape/Gather/Concat computed it;
//   * the constant target of a Reshape, Expand or Resize whose input carries the batch is generalised:
//     the dimension that holds the batch (found by comparing the two shapes of the input) is scaled;
//   * a constant that meets the batch in a Concat (a class token expanded to batch 1) is expanded;
//   * every value is compared: its samples must be the same in both runs.
//
// If a node fails or a value differs on the larger batch, the graph keeps its own batch and runs are
// looped over samples; nothing is changed silently.

#include <ATen/core/Generator.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "graph/draft.h"
#include "graph/subgraphs.h"
#include "ops/arguments.h"
#include "ops/creation.h"
#include "ops/failure.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// Largest relative difference that two batch sizes may show: rounding of other kernels, no more.
constexpr double kBatchTolerance = 1e-4;
/// Values that flip on rounding (Sign, Round) get other random samples before the verdict.
constexpr int kAttempts = 3;

struct BatchFailure {
  std::string reason;
};

Shape shape_between(at::IntArrayRef a, at::IntArrayRef b, int64_t batch_a, int64_t batch_b) {
  Shape shape(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    int64_t per_batch = batch_b == batch_a ? 0 : (b[i] - a[i]) / (batch_b - batch_a);
    shape[i] = {a[i] - per_batch * batch_a, per_batch};
  }
  return shape;
}

/// The dimension that grows with the batch; nothing where none or several do.
std::optional<size_t> batch_axis(const Shape& shape) {
  std::optional<size_t> axis;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].per_batch == 0) continue;
    if (axis || shape[i].fixed != 0) return std::nullopt;
    axis = i;
  }
  return axis;
}

int64_t product(at::IntArrayRef dims, size_t count) {
  return std::accumulate(dims.begin(), dims.begin() + count, int64_t{1}, std::multiplies<>());
}

/// More nodes from branches and loops are no vision model.
constexpr int64_t kMostSpliced = 100'000;

class Tracer {
 public:
  Tracer(Draft& draft, const LoadOptions& options, bool generalise, uint64_t seed)
      : draft_(draft),
        options_(options),
        batch_a_(draft.base_batch),
        generalise_(generalise),
        batch_b_(generalise ? draft.base_batch + 2 : draft.base_batch),
        seed_(seed) {}

  void run() {
    count_uses();
    for (const OnnxValue& input : draft_.inputs) feed(input);
    std::vector<DraftNode> nodes = std::move(draft_.nodes);
    draft_.nodes.clear();
    for (DraftNode& node : nodes) {
      try {
        visit(node.spec);
      } catch (const c10::Error&) {  // folding and comparing may fail where the operator did not: a view of 2^40 values
        rethrow_at(node_title(node.spec));
      }
    }
    for (const OnnxValue& output : draft_.outputs) check_output(output.name);
  }

 private:
  struct Pair {
    Tensor a, b;
  };

  bool is_constant(const std::string& name) const { return draft_.constants.count(name) > 0; }
  const TracedValue& traced(const std::string& name) const { return draft_.traced.at(name); }

  void count_uses() {
    for (const DraftNode& node : draft_.nodes) count_uses(node.spec);
    for (const OnnxValue& output : draft_.outputs) ++uses_[output.name];
  }
  void count_uses(const NodeSpec& spec) {
    for (const Strings* names : {&spec.inputs, &spec.captures})
      for (const std::string& name : *names) ++uses_[name];
  }

  void release(const NodeSpec& spec) {
    for (const Strings* names : {&spec.inputs, &spec.captures})
      for (const std::string& name : *names)
        if (--uses_[name] == 0) live_.erase(name);
  }

  Tensor random(const std::vector<int64_t>& size, at::ScalarType type) {
    auto generator = at::detail::createCPUGenerator(seed_++);
    if (at::isFloatingType(type)) return at::randn(size, generator, at::TensorOptions(at::kFloat)).to(type);
    return at::randint(0, type == at::kBool ? 2 : 256, size, generator, at::TensorOptions(at::kLong)).to(type);
  }

  void feed(const OnnxValue& input) {
    std::vector<int64_t> size;
    for (const OnnxDim& dim : input.shape) size.push_back(dim.value);
    Tensor a = random(size, input.type), b = a;
    if (generalise_ && !size.empty() && size[0] == batch_a_) {
      // The samples of the small batch sit in the middle of the large one: mixing shows on either side.
      std::vector<int64_t> one = size;
      one[0] = 1;
      b = at::cat({random(one, input.type), a, random(one, input.type)}, 0);
    }
    store(input.name, {a.to(draft_.device), b.to(draft_.device)}, /*depends_on_input=*/true);
  }

  void store(const std::string& name, Pair pair, bool depends_on_input) {
    draft_.traced[name] = {pair.a.scalar_type(), shape_between(pair.a.sizes(), pair.b.sizes(), batch_a_, batch_b_),
                           depends_on_input};
    if (uses_[name] > 0) live_[name] = std::move(pair);
  }

  void store_constant(const std::string& name, const Tensor& value) {
    draft_.constants[name] = value;
    draft_.traced[name] = {value.scalar_type(), shape_between(value.sizes(), value.sizes(), 1, 1), false};
  }

  Tensors gather(const NodeSpec& spec, Tensor Pair::* side) const {
    Tensors in;
    for (const std::string& name : spec.inputs) {
      if (name.empty())
        in.emplace_back();
      else if (const Tensor* constant = draft_.constant(name))
        in.push_back(*constant);
      else
        in.push_back(live_.at(name).*side);
    }
    return in;
  }

  Tensors forward(const NodeSpec& spec, const Operator& op, Tensor Pair::* side, int64_t batch) const {
    RunContext context;
    context.batch = batch;
    try {
      return op.forward(gather(spec, side), context);
    } catch (...) {
      rethrow_at(node_title(spec));
    }
  }

  void visit(const NodeSpec& original) {
    if (is_control_flow(original)) {
      original.op_type == "If" ? visit_if(original) : visit_loop(original);
      return release(original);
    }
    NodeSpec spec = original;
    bool foldable = true, depends_on_input = false;
    for (const std::string& name : spec.inputs) {
      if (name.empty() || is_constant(name)) continue;
      foldable = false;
      depends_on_input |= traced(name).depends_on_input;
    }
    // A shape is known without the data.
    if (spec.op_type == "Shape" || spec.op_type == "Size") depends_on_input = false;

    std::shared_ptr<const Operator> op = make_draft_operator(spec, draft_);
    Tensors a = forward(spec, *op, &Pair::a, batch_a_), b = a;
    for (size_t i = a.size(); i < spec.outputs.size(); ++i)
      if (!spec.outputs[i].empty() && uses_[spec.outputs[i]] > 0)
        throw ModelError(node_title(spec) + " gives " + std::to_string(a.size()) + " output(s); the model uses '" +
                         spec.outputs[i] + "' as one more.");
    if (foldable && fold(spec, a)) return release(original);
    if (!foldable && generalise_) {
      generalise(spec, a);
      try {
        op = make_draft_operator(spec, draft_);
        b = forward(spec, *op, &Pair::b, batch_b_);
      } catch (const Error& e) {
        throw BatchFailure{e.what()};
      }
    }
    bool all_replaced = true;
    for (size_t i = 0; i < spec.outputs.size(); ++i) {
      if (spec.outputs[i].empty() || i >= a.size()) continue;
      if (!depends_on_input && !foldable && replace_by_shape(spec.outputs[i], a[i], b[i])) continue;
      all_replaced = false;
      if (a[i].dim() != b[i].dim()) throw BatchFailure{node_title(spec) + " gives another rank at another batch"};
      store(spec.outputs[i], {a[i], b[i]}, depends_on_input);
      if (generalise_ && depends_on_input) compare(spec, spec.outputs[i], a[i], b[i]);
    }
    if (!all_replaced) draft_.nodes.push_back({spec, op});
    release(original);
  }

  /// The constant that decides what a node does.
  Tensor decision(const NodeSpec& node, const std::string& value, const std::string& what) {
    if (value.empty()) throw ModelError(node_title(node) + " has no " + what + ".");
    if (const Tensor* constant = draft_.constant(value)) {
      if (constant->numel() == 1) return *constant;
      throw ModelError(node_title(node) + ": its " + what + " has " + std::to_string(constant->numel()) +
                       " values; expected one.");
    }
    if (!traced(value).depends_on_input) throw BatchFailure{node_title(node) + " depends on the batch"};
    throw ModelError(node_title(node) + ": its " + what +
                     " depends on the data of the input, so that no one graph stands for the model. Export it with "
                     "that part fixed, or as a model of its own.");
  }

  std::string fresh(const std::string& base) {
    std::string name = base;
    // Counting on from the last number: a loop makes many values of one name.
    while (draft_.traced.count(name) || draft_.constants.count(name))
      name = base + "_" + std::to_string(++last_number_[base]);
    return name;
  }

  /// Visits the nodes of a body under new names; `names` are those of its inputs. Returns the names of its outputs.
  Strings splice(const NodeSpec& node, const GraphBody& body, Renaming names) {
    const std::string prefix = (node.name.empty() ? node.outputs[0] : node.name) + "/";
    count_spliced(node);  // a body may be empty and run for ever
    for (const auto& [name, tensor] : body.initializers) {
      names[name] = fresh(prefix + name);
      store_constant(names[name], tensor);
    }
    std::vector<NodeSpec> nodes = body.nodes;
    for (NodeSpec& inner : nodes) {
      for (std::string& output : inner.outputs) {
        if (output.empty()) continue;
        std::string& name = names[output] = fresh(prefix + output);
        draft_.traced[name];  // taken
        output = name;
      }
    }
    for (NodeSpec& inner : nodes) {
      inner.name = prefix + inner.name;
      if (inner.scope.empty()) inner.scope = node.scope;
      rename_uses(inner, names);
      count_uses(inner);
    }
    Strings outputs;
    for (const std::string& output : body.outputs) ++uses_[outputs.emplace_back(renamed(output, names))];
    for (const NodeSpec& inner : nodes) {
      count_spliced(node);
      visit(inner);
    }
    return outputs;
  }

  void count_spliced(const NodeSpec& node) {
    if (++spliced_ > kMostSpliced)
      throw ModelError(node_title(node) + " would put more than " + std::to_string(kMostSpliced) +
                       " nodes into the graph.");
  }

  void visit_derived(const std::string& op_type, const NodeSpec& node, Strings inputs, const std::string& output,
                     Attributes attributes = {}) {
    NodeSpec spec;
    spec.op_type = op_type;
    spec.name = node.name;
    spec.scope = node.scope;
    spec.inputs = std::move(inputs);
    spec.outputs = {output};
    spec.opset = node.opset;
    spec.attributes = std::move(attributes);
    count_uses(spec);
    visit(spec);
  }

  void check_outputs(const NodeSpec& node, size_t found) const {
    if (found < node.outputs.size())
      throw ModelError(node_title(node) + " has " + std::to_string(node.outputs.size()) + " outputs, its body " +
                       std::to_string(found) + ".");
  }

  /// The branch that is taken, in place of the node.
  void visit_if(const NodeSpec& node) {
    const bool taken = decision(node, node.inputs.empty() ? "" : node.inputs[0], "condition").item<bool>();
    const GraphBody& branch = subgraph_of(node, taken ? "then_branch" : "else_branch");
    if (!branch.inputs.empty())
      throw ModelError(node_title(node) + ": its branch takes '" + branch.inputs[0] + "' as an input; expected none.");
    const Strings outputs = splice(node, branch, {});
    check_outputs(node, outputs.size());
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (!node.outputs[i].empty()) visit_derived("Identity", node, {outputs[i]}, node.outputs[i]);
  }

  /// The body as often as it runs, in place of the node. Inputs: count, condition, carried values; the body takes
  /// the number of the iteration, the condition and the carried values, and gives the condition, the carried
  /// values and values that are stacked over the iterations.
  void visit_loop(const NodeSpec& node) {
    const GraphBody& body = subgraph_of(node, "body");
    const auto given = [&](size_t i) { return i < node.inputs.size() && !node.inputs[i].empty(); };
    int64_t count = std::numeric_limits<int64_t>::max();
    if (given(0)) count = decision(node, node.inputs[0], "trip count").item<int64_t>();
    bool goes_on = !given(1) || decision(node, node.inputs[1], "condition").item<bool>();
    Strings carried(node.inputs.begin() + std::min<ptrdiff_t>(2, std::ssize(node.inputs)), node.inputs.end());
    if (body.inputs.size() != carried.size() + 2 || body.outputs.size() < carried.size() + 1)
      throw ModelError(node_title(node) + " carries " + std::to_string(carried.size()) +
                       " values, but its body takes " + std::to_string(body.inputs.size()) + " and gives " +
                       std::to_string(body.outputs.size()) + ".");
    check_outputs(node, body.outputs.size() - 1);
    std::vector<Strings> stacked(body.outputs.size() - 1 - carried.size());
    for (int64_t i = 0; i < count && goes_on; ++i) {
      Renaming names;
      names[body.inputs[0]] = loop_constant(node, "iteration", at::tensor(i, at::kLong));
      names[body.inputs[1]] = loop_constant(node, "condition", at::full({}, true, at::kBool));
      for (size_t k = 0; k < carried.size(); ++k) names[body.inputs[k + 2]] = carried[k];
      const Strings outputs = splice(node, body, names);
      goes_on = decision(node, outputs[0], "condition").item<bool>();
      std::copy_n(outputs.begin() + 1, carried.size(), carried.begin());
      for (size_t k = 0; k < stacked.size(); ++k) {
        const std::string row = fresh(node.outputs[0] + "/row");
        ++uses_[row];  // by the Concat below
        visit_derived("Unsqueeze", node,
                      {outputs[1 + carried.size() + k], loop_constant(node, "axis", at::tensor({0}, at::kLong))}, row);
        stacked[k].push_back(row);
      }
    }
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      if (node.outputs[k].empty()) continue;
      if (k < carried.size()) {
        visit_derived("Identity", node, {carried[k]}, node.outputs[k]);
        continue;
      }
      const Strings& rows = stacked[k - carried.size()];
      if (rows.empty()) throw ModelError(node_title(node) + " never runs, so that what it stacks has no shape.");
      Attributes first;
      first.set("axis", int64_t{0});
      visit_derived("Concat", node, rows, node.outputs[k], first);
    }
  }

  std::string loop_constant(const NodeSpec& node, const std::string& what, const Tensor& value) {
    const std::string name = fresh(node.outputs[0] + "/" + what);
    store_constant(name, value);
    return name;
  }

  /// Keeps the outputs as constants, unless they are large and replace something small.
  bool fold(const NodeSpec& spec, const Tensors& outputs) {
    int64_t before = 0, after = 0;
    for (const std::string& name : spec.inputs)
      if (const Tensor* constant = draft_.constant(name)) before += constant->nbytes();
    for (const Tensor& output : outputs) after += output.defined() ? output.nbytes() : 0;
    if (after > (options_.fold_limit_mb << 20) && after > before) return false;
    for (size_t i = 0; i < spec.outputs.size() && i < outputs.size(); ++i)
      if (!spec.outputs[i].empty()) store_constant(spec.outputs[i], outputs[i]);
    ++draft_.folded_nodes;
    return true;
  }

  /// A value that depends on shapes only: a constant, or integers that are affine in the batch.
  bool replace_by_shape(const std::string& name, const Tensor& a, const Tensor& b) {
    if (a.sizes() == b.sizes() && at::equal(a, b)) {
      store_constant(name, a);
      ++draft_.folded_nodes;
      return true;
    }
    if (a.sizes() != b.sizes() || a.dim() > 1 || !at::isIntegralType(a.scalar_type(), false)) return false;
    Ints first = to_ints(a), second = to_ints(b), fixed, per_batch;
    for (size_t i = 0; i < first.size(); ++i) {
      int64_t step = (second[i] - first[i]) / (batch_b_ - batch_a_);
      if (step * (batch_b_ - batch_a_) != second[i] - first[i]) return false;
      per_batch.push_back(step);
      fixed.push_back(first[i] - step * batch_a_);
    }
    add_batch_shape(name, fixed, per_batch, a.dim() == 0);
    live_[name] = {a, b};
    return true;
  }

  void add_batch_shape(const std::string& name, const Ints& fixed, const Ints& per_batch, bool scalar) {
    NodeSpec spec;
    spec.op_type = "BatchShape";
    spec.outputs = {name};
    draft_.nodes.push_back({spec, std::make_shared<BatchShape>(fixed, per_batch, scalar)});
    Shape shape;
    if (!scalar) shape.push_back({static_cast<int64_t>(fixed.size()), 0});
    draft_.traced[name] = {at::kLong, shape, false};
  }

  /// A fresh BatchShape for the sizes that `target` has on the small batch, with `axis` scaled.
  std::string batch_shape(const std::string& base, Ints target, size_t axis) {
    Ints per_batch(target.size(), 0);
    per_batch[axis] = target[axis] / batch_a_;
    Ints fixed = target;
    fixed[axis] = 0;
    std::string name = base + "/batch_shape";
    for (int i = 2; draft_.traced.count(name); ++i) name = base + "/batch_shape_" + std::to_string(i);
    add_batch_shape(name, fixed, per_batch, false);
    Ints at_b = fixed;
    at_b[axis] = per_batch[axis] * batch_b_;
    live_[name] = {at::tensor(target), at::tensor(at_b)};
    draft_.generalised = true;
    return name;
  }

  std::optional<size_t> batch_axis_of(const std::string& name) const {
    if (name.empty() || is_constant(name)) return std::nullopt;
    return batch_axis(traced(name).shape);
  }

  /// Makes constant shapes of this node follow the batch. `a`: its outputs on the small batch.
  void generalise(NodeSpec& spec, const Tensors& a) {
    if (spec.op_type == "Reshape")
      generalise_reshape(spec, a[0].sizes());
    else if (spec.op_type == "Expand")
      generalise_target(spec, 1, a[0].sizes());
    else if (spec.op_type == "Resize" && spec.inputs.size() > 3)
      generalise_target(spec, 3, a[0].sizes());
    else if (spec.op_type == "Concat")
      generalise_concat(spec);
  }

  // Reshape keeps the order of elements, so the batch starts where as many elements lie before it as
  // before: at the beginning of a dimension, or inside one that merges it with what stood in front.
  void generalise_reshape(NodeSpec& spec, at::IntArrayRef out) {
    auto axis = batch_axis_of(spec.inputs[0]);
    if (!axis || !is_constant(spec.inputs[1])) return;
    const at::IntArrayRef in = live_.at(spec.inputs[0]).a.sizes();
    const int64_t before = product(in, *axis) * outer(spec.inputs[0]);
    std::optional<size_t> found;
    for (size_t j = 0; j < out.size() && !found; ++j)
      if (product(out, j) == before && out[j] % batch_a_ == 0) found = j;
    if (!found) return;
    // What followed the batch is split ([T,N,C] -> [T,heads,C/heads]): the batch joins its first part. It is kept or
    // merged ([T,N,heads,D] -> [T,C]): the batch was dropped from between and now lies inside the dimension in front.
    const bool dropped = *found > 0 && out.size() - *found <= in.size() - (*axis + 1);
    if (dropped) --*found;
    // A -1 in front of that place already takes up the batch.
    const Ints target = to_ints(draft_.constants.at(spec.inputs[1]));
    for (size_t j = 0; j < *found; ++j)
      if (target[j] == -1) return;
    spec.inputs[1] = batch_shape(spec.outputs[0], out.vec(), *found);
  }

  /// How many elements of the batch dimension come before the batch itself: 1 unless a Reshape merged
  /// something in front of it.
  int64_t outer(const std::string& name) const {
    auto it = outer_.find(name);
    return it == outer_.end() ? 1 : it->second;
  }

  // Expand and Resize align shapes at the last dimension.
  void generalise_target(NodeSpec& spec, size_t input, at::IntArrayRef out) {
    auto axis = batch_axis_of(spec.inputs[0]);
    const std::string& target = spec.inputs[input];
    if (!axis || target.empty() || !is_constant(target)) return;
    if (spec.op_type == "Resize" && spec.attributes.has("axes")) return;
    size_t aligned = *axis + out.size() - live_.at(spec.inputs[0]).a.dim();
    if (out[aligned] % batch_a_ == 0) spec.inputs[input] = batch_shape(spec.outputs[0], out.vec(), aligned);
  }

  void generalise_concat(NodeSpec& spec) {
    std::optional<size_t> axis;
    for (const std::string& name : spec.inputs)
      if (auto found = batch_axis_of(name)) axis = found;
    if (!axis) return;
    for (std::string& name : spec.inputs) {
      if (batch_axis_of(name)) continue;
      Tensor value = is_constant(name) ? draft_.constants.at(name) : live_.at(name).a;
      if (value.dim() <= static_cast<int64_t>(*axis) || value.size(*axis) != 1 ||
          normalize_axis(spec.attributes.require_int("axis"), value.dim()) == static_cast<int64_t>(*axis))
        continue;
      name = expand_to_batch(name, value, *axis);
    }
  }

  std::string expand_to_batch(const std::string& name, const Tensor& value, size_t axis) {
    Ints sizes = value.sizes().vec();
    sizes[axis] = batch_a_;
    NodeSpec expand;
    expand.op_type = "Expand";
    expand.outputs = {name + "/batch"};
    expand.inputs = {name, batch_shape(expand.outputs[0], sizes, axis)};
    if (draft_.traced.count(expand.outputs[0])) return expand.outputs[0];
    uses_[expand.outputs[0]] = 1 << 20;  // may serve several Concats; small
    auto op = make_draft_operator(expand, draft_);
    Tensors a = forward(expand, *op, &Pair::a, batch_a_), b = forward(expand, *op, &Pair::b, batch_b_);
    draft_.nodes.push_back({expand, op});
    store(expand.outputs[0], {a[0], b[0]}, false);
    return expand.outputs[0];
  }

  /// The samples of the small batch, inside the large one, must come out the same. The batch is the
  /// outermost factor of its dimension, or lies inside it (see outer): whichever fits is remembered.
  void compare(const NodeSpec& spec, const std::string& name, const Tensor& a, const Tensor& b) {
    auto axis = batch_axis(traced(name).shape);
    if (!axis || !at::isFloatingType(a.scalar_type()) || a.numel() == 0) return;
    const int64_t per_sample = traced(name).shape[*axis].per_batch;
    const double tolerance = kBatchTolerance * a.abs().max().item<double>();
    for (int64_t before = 1; before <= per_sample; ++before) {
      if (per_sample % before != 0) continue;
      std::vector<int64_t> sizes = b.sizes().vec();
      sizes[*axis] = before;
      sizes.insert(sizes.begin() + *axis + 1, {batch_b_, per_sample / before});
      const Tensor same = b.reshape(sizes).narrow(*axis + 1, 1, batch_a_).reshape(a.sizes());
      if (a.sub(same).abs().max().item<double>() > tolerance) continue;
      if (before > 1) outer_[name] = before;
      return;
    }
    throw BatchFailure{"samples of a batch influence each other at " + node_title(spec) + ", value '" + name + "'"};
  }

  void check_output(const std::string& name) {
    if (!generalise_ || is_constant(name)) return;
    auto axis = batch_axis_of(name);
    if (!axis || *axis != 0 || outer(name) != 1)
      throw BatchFailure{"output '" + name + "' has shape " + to_string(traced(name).shape) +
                         ": its first dimension does not follow the batch"};
  }

  Draft& draft_;
  const LoadOptions& options_;
  int64_t batch_a_;
  bool generalise_;
  int64_t batch_b_;
  uint64_t seed_;
  int64_t spliced_ = 0;
  std::unordered_map<std::string, int64_t> last_number_;  ///< of fresh names
  std::unordered_map<std::string, int> uses_;
  std::unordered_map<std::string, Pair> live_;
  std::unordered_map<std::string, int64_t> outer_;
};

}  // namespace

void trace(Draft& draft, const LoadOptions& options) {
  at::NoGradGuard no_grad;
  const Draft original = draft;
  std::string reason;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    draft = original;
    try {
      Tracer(draft, options, /*generalise=*/true, /*seed=*/1000 * attempt).run();
      draft.batch = {true, draft.generalised ? "exported with batch " + std::to_string(draft.base_batch) +
                                                   "; shapes were generalised to any batch and checked"
                                             : "every shape follows the batch"};
      return;
    } catch (const BatchFailure& failure) {
      reason = failure.reason;
    }
  }
  draft = original;
  Tracer(draft, options, /*generalise=*/false, /*seed=*/0).run();
  draft.batch = {false, reason + "; runs are looped over groups of " + std::to_string(draft.base_batch) + " sample(s)"};
}

}  // namespace vitrail
