#include "model/layout.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sort.h>

#include <algorithm>
#include <set>

#include "ops/failure.h"

namespace vitrail {
namespace {

constexpr int kAbsent = Graph::Impl::kAbsent;

/// They repeat a value in another order, so no layer is proposed at them.
bool only_moves(const std::string& op) {
  static const std::set<std::string> kCopies = {"Identity", "Cast", "Dropout"};
  return (position_rule(op) == PositionRule::moving && op != "Concat") || kCopies.count(op) > 0;
}

/// The numbers of each sample in a row: [N, size of a sample].
Tensor to_rows(const Tensor& value, const SpatialLayout& layout) {
  const int64_t axis = layout.batch_axis, share = layout.sizes[static_cast<size_t>(axis)];
  const int64_t samples = value.size(axis) / share;
  std::vector<int64_t> sizes = value.sizes().vec();
  sizes[static_cast<size_t>(axis)] = layout.batch_outside ? samples : share;
  sizes.insert(sizes.begin() + axis + 1, layout.batch_outside ? share : samples);
  return value.reshape(sizes).movedim(layout.batch_outside ? axis : axis + 1, 0).flatten(1);
}

Tensor from_rows(const Tensor& rows, const SpatialLayout& layout) {
  std::vector<int64_t> sizes = layout.sizes;
  sizes.insert(sizes.begin(), rows.size(0));
  const int64_t axis = layout.batch_axis;
  return rows.reshape(sizes).movedim(0, layout.batch_outside ? axis : axis + 1).flatten(axis, axis + 1);
}

/// Places of the cells' numbers in a sample's row of cell numbers (0: none), int64 [K,cells]; undefined where cells
/// have unequal shares.
Tensor find_places(const Tensor& cells_of_row, int64_t cells) {
  const auto [sorted, order] = at::sort(cells_of_row, /*stable=*/true, /*dim=*/0, /*descending=*/false);
  const int64_t others = sorted.eq(0).sum().item<int64_t>(), rest = sorted.numel() - others;
  if (rest == 0 || rest % cells != 0) return {};
  const Tensor expected = at::arange(cells, at::kLong).repeat_interleave(rest / cells) + 1;
  if (!sorted.narrow(0, others, rest).equal(expected)) return {};
  return order.narrow(0, others, rest).view({cells, rest / cells}).t().contiguous();
}

}  // namespace

bool SpatialLayout::is_planes() const {
  return !places.defined() && !has_others && batch_axis == 0 && batch_outside &&
         sizes == std::vector<int64_t>{1, channels, height, width};
}

Tensor to_planes(const Tensor& value, const SpatialLayout& layout) {
  if (layout.is_planes()) return value;
  Tensor rows = to_rows(value, layout);
  if (layout.places.defined()) rows = rows.index_select(1, layout.places.to(value.device()));
  return rows.reshape({rows.size(0), layout.channels, layout.height, layout.width});
}

Tensor from_planes(const Tensor& planes, const SpatialLayout& layout, const Tensor& original) {
  if (layout.is_planes()) return planes;
  Tensor rows = planes.flatten(1);
  if (layout.places.defined()) {
    const Tensor places = layout.places.to(planes.device());
    const Tensor base = layout.has_others ? to_rows(original, layout).to(planes.options()) : rows;
    rows = base.index_copy(1, places, rows);
  }
  return from_rows(rows, layout);
}

Tensor without_position(const Tensor& value, const SpatialLayout& layout) {
  if (!layout.has_others) return value.new_empty({value.size(layout.batch_axis), 0});
  const Tensor rows = to_rows(value, layout);
  const Tensor others = at::ones({rows.size(1)}, at::kBool).index_fill_(0, layout.places, false).nonzero().flatten();
  return rows.index_select(1, others.to(value.device()));
}

SpatialLayouts::SpatialLayouts(const Graph& graph, const std::string& input, const std::vector<std::string>& outputs,
                               const Tensor& photo, int64_t height, int64_t width)
    : graph_(graph), input_(graph.impl().find(input)), trace_(graph.impl(), input_, photo, height, width) {
  for (const std::string& output : outputs) outputs_.push_back(graph.impl().find(output));
  find_reach();
  rank_layers();
}

void SpatialLayouts::find_reach() {
  for (const int output : outputs_) {
    const PositionTrace::Reach reach = trace_.reach(output);
    if (reach_.leads.empty()) {
      reach_ = reach;
      led_to_.assign(reach.leads.size(), 0);
    }
    for (size_t id = 0; id < reach.leads.size(); ++id) {
      led_to_[id] += reach.leads[id] != 0;
      reach_.leads[id] |= reach.leads[id];
      reach_.carries[id] |= reach.carries[id];
      reach_.last_use[id] = std::max(reach_.last_use[id], reach.last_use[id]);
    }
  }
}

bool SpatialLayouts::is_output(int id) const {
  return std::find(outputs_.begin(), outputs_.end(), id) != outputs_.end();
}

std::optional<SpatialLayout> SpatialLayouts::of(const std::string& layer_or_value) const {
  return layout_of(graph_.impl().find(layer_or_value));
}

std::optional<SpatialLayout> SpatialLayouts::place_of(const std::string& layer_or_value) const {
  const int id = graph_.impl().find(layer_or_value);
  if (is_output(id) || !leads(layer_or_value)) return std::nullopt;
  const auto layout = layout_of(id);
  const bool rows = graph_.impl().values[static_cast<size_t>(id)].traced.shape.size() < 3;
  return layout && !layout->between_positions && !rows ? layout : std::nullopt;
}

bool SpatialLayouts::leads(const std::string& layer_or_value) const {
  return reach_.leads[static_cast<size_t>(graph_.impl().find(layer_or_value))] != 0;
}

std::optional<SpatialLayout> SpatialLayouts::layout_of(int id) const {
  const Positions& positions = trace_.of(id);
  if (!positions.defined()) return std::nullopt;
  const Graph::Impl& graph = graph_.impl();
  const Shape& shape = graph.values[static_cast<size_t>(id)].traced.shape;
  const int64_t samples = PositionTrace::batch(graph);
  SpatialLayout layout{.height = positions.height, .width = positions.width, .between_positions = positions.between};
  layout.sizes = positions.index.sizes().vec();
  if (graph.batch.generalises) {  // the one dimension that grows with the batch
    const auto grows = [](const Dim& dim) { return dim.per_batch > 0; };
    const auto axis = std::find_if(shape.begin(), shape.end(), grows);
    if (axis == shape.end() || axis->fixed != 0 || std::find_if(axis + 1, shape.end(), grows) != shape.end())
      return std::nullopt;
    layout.batch_axis = axis - shape.begin();
  }
  int64_t& share = layout.sizes[static_cast<size_t>(layout.batch_axis)];
  if (share % samples != 0) return std::nullopt;
  share /= samples;

  const int64_t cells = layout.height * layout.width;
  if (positions.planes) {
    layout.channels = layout.sizes[1];
    return layout;
  }
  // A last dimension of one position is left out while cells are looked up.
  const bool rows =
      positions.index.dim() > 1 && positions.index.stride(-1) == 0 && layout.batch_axis + 1 < positions.index.dim();
  const int64_t depth = rows ? positions.index.size(-1) : 1;
  SpatialLayout narrow = layout;
  if (rows) narrow.sizes.back() = 1;
  const Tensor index = rows ? positions.index.narrow(-1, 0, 1) : positions.index;
  for (const bool outside : {true, false}) {
    narrow.batch_outside = layout.batch_outside = outside;
    const Tensor samples_of_rows = to_rows(index, narrow), first = samples_of_rows[0];
    bool separate = true;
    for (int64_t n = 0; n < samples && separate; ++n)
      separate = samples_of_rows[n].equal((first + n * cells).masked_fill(first.eq(0), 0));
    if (!separate || first.max().item<int64_t>() > cells) continue;
    const Tensor places = find_places(first, cells);
    if (!places.defined()) return std::nullopt;
    layout.channels = places.size(0) * depth;
    layout.has_others = places.numel() < first.numel();
    const Tensor full = places.unsqueeze(1) * depth + at::arange(depth, at::kLong).view({1, depth, 1});
    layout.places = full.reshape(-1).contiguous();
    if (layout.places.equal(at::arange(first.numel() * depth, at::kLong))) layout.places = Tensor();
    return layout;
  }
  return std::nullopt;
}

std::vector<std::string> SpatialLayouts::not_affine_behind(const std::string& layer_or_value) const {
  static const std::set<std::string> kAffine = {
      "GlobalAveragePool",  "AveragePool", "ReduceMean", "ReduceSum", "Conv",   "MatMul", "Gemm", "Einsum",
      "BatchNormalization", "Neg",         "Identity",   "Cast",      "Dropout"};
  static const std::set<std::string> kSums = {"Add", "Sub", "Sum", "Mean"};
  const Graph::Impl& graph = graph_.impl();
  const PositionTrace::Reach& reach = reach_;
  std::vector<char> depends(graph.values.size(), 0);
  depends[static_cast<size_t>(graph.find(layer_or_value))] = 1;
  std::vector<std::string> found;
  for (const Graph::Impl::Node& node : graph.nodes) {
    int64_t inputs = 0;
    for (const int id : node.inputs) inputs += id != kAbsent && depends[static_cast<size_t>(id)] != 0;
    if (inputs == 0) continue;
    bool leads = false;
    for (const int id : node.outputs) {
      if (id == kAbsent) continue;
      depends[static_cast<size_t>(id)] = 1;
      leads |= reach.leads[static_cast<size_t>(id)] != 0;
    }
    const std::string& op = node.spec.op_type;
    const bool scales =
        (op == "Mul" && inputs == 1) || (op == "Div" && depends[static_cast<size_t>(node.inputs[0])] && inputs == 1);
    const bool affine = kSums.count(op) > 0 || position_rule(op) == PositionRule::moving || scales ||
                        (kAffine.count(op) > 0 && inputs == 1);
    if (leads && !affine) found.push_back(node_title(node.spec));
  }
  return found;
}

namespace {

/// By value: it only feeds an attention, through operators that keep numbers apart (heads, scale, the bias).
std::vector<char> find_projections(const Graph::Impl& graph, const PositionTrace& trace,
                                   const PositionTrace::Reach& reach) {
  std::vector<char> projections(graph.values.size(), 0), elsewhere(graph.values.size(), 0);
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const auto marked = [&](const std::vector<char>& marks, bool all) {
      int64_t outputs = 0, count = 0;
      for (const int id : node->outputs) {
        if (id == kAbsent || !reach.leads[static_cast<size_t>(id)]) continue;
        ++outputs;
        count += marks[static_cast<size_t>(id)];
      }
      return all ? outputs > 0 && count == outputs : count > 0;
    };
    bool leads = false;
    for (const int id : node->outputs) leads |= id != kAbsent && reach.leads[static_cast<size_t>(id)] != 0;
    if (!leads) continue;
    int64_t with_positions = 0;
    for (const int id : node->inputs) with_positions += id != kAbsent && trace.of(id).defined();
    const PositionRule rule = position_rule(node->spec.op_type);
    const bool attends = rule == PositionRule::attention || (rule == PositionRule::mixing && with_positions == 2);
    const bool passes = (rule == PositionRule::moving || (rule == PositionRule::elementwise && with_positions == 1)) &&
                        marked(projections, true);
    for (const int id : node->inputs)
      if (id != kAbsent) (attends || passes ? projections : elsewhere)[static_cast<size_t>(id)] = 1;
  }
  for (size_t id = 0; id < projections.size(); ++id) projections[id] = projections[id] && !elsewhere[id];
  return projections;
}

}  // namespace

void SpatialLayouts::rank_layers() {
  enum Rank { whole, part, projection, unreached, ranks };
  const Graph::Impl& graph = graph_.impl();
  const PositionTrace::Reach& reach = reach_;
  const std::vector<char> projections = find_projections(graph, trace_, reach);
  std::vector<std::vector<SpatialLayer>> found(ranks);
  int last_use = reach.last_use[static_cast<size_t>(input_)];  // of the values before, by which positions go on
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Graph::Impl::Node& node = graph.nodes[n];
    for (const int output : node.outputs) {
      if (output == kAbsent) continue;
      const auto id = static_cast<size_t>(output);
      const bool all_pass_here = last_use <= static_cast<int>(n);
      last_use = std::max(last_use, reach.last_use[id]);
      if (!reach.leads[id] || is_output(output) || output != node.outputs[0] || only_moves(node.spec.op_type) ||
          !trace_.of(output).defined() || trace_.of(output).between ||
          !at::isFloatingType(graph.values[id].traced.type))
        continue;
      const auto layout = layout_of(output);
      if (!layout) continue;
      const Rank rank = !reach.carries[id] ? unreached : projections[id] ? projection : all_pass_here ? whole : part;
      found[rank].push_back({{.name = graph.values[id].name,
                              .value = graph.values[id].name,
                              .shape = graph.values[id].traced.shape,
                              .op = node.spec.op_type},
                             *layout});
    }
  }
  std::unordered_map<std::string, std::string> names;
  for (const LayerInfo& layer : graph.layers) names.emplace(layer.value, layer.name);
  for (std::vector<SpatialLayer>& group : found) {
    std::reverse(group.begin(), group.end());
    const auto uses = [&](const SpatialLayer& layer) {
      return led_to_[static_cast<size_t>(graph.find(layer.layer.value))];
    };
    std::stable_sort(group.begin(), group.end(), [&](const auto& a, const auto& b) { return uses(a) > uses(b); });
    for (SpatialLayer& spatial : group) {
      if (const auto name = names.find(spatial.layer.value); name != names.end()) spatial.layer.name = name->second;
      layers_.push_back(std::move(spatial));
    }
  }
}

}  // namespace vitrail
