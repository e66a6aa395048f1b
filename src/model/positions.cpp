#include "model/positions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "model/einsum_equation.h"

namespace vitrail {

namespace {

constexpr int kAbsent = Graph::Impl::kAbsent;

const std::map<std::string, PositionRule>& rules() {
  using enum PositionRule;
  static const std::map<std::string, PositionRule> rules = [] {
    std::map<std::string, PositionRule> map;
    for (const char* op :
         {"Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Concat", "Gather",
          "GatherElements", "GatherND", "Expand", "Tile", "Pad", "DepthToSpace", "SpaceToDepth"})
      map[op] = moving;
    for (const char* op : {"MatMul", "Gemm", "Einsum"}) map[op] = mixing;
    for (const char* op : {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "Resize", "Upsample",
                           "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "GridSample"})
      map[op] = window;
    for (const char* op : {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                           "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"})
      map[op] = reduction;
    map["Attention"] = attention;
    return map;
  }();
  return rules;
}

/// Outputs may have the input's shape, but not its order.
bool scrambles(const std::string& op) {
  static const std::set<std::string> kOps = {"TopK", "Unique", "CumSum", "ArgMax", "ArgMin", "DFT", "Trilu"};
  return kOps.count(op) > 0;
}

bool same_along(const Tensor& index, int64_t axis) {
  return index.stride(axis) == 0 || index.size(axis) == 1 || index.eq(index.narrow(axis, 0, 1)).all().item<bool>();
}

/// Where the last dimension is one position throughout, it takes no memory.
Tensor compressed(const Tensor& index) {
  if (index.dim() == 0 || index.stride(-1) == 0 || !same_along(index, index.dim() - 1)) return index;
  return index.narrow(-1, 0, 1).contiguous().expand(index.sizes());
}

Positions checked(Positions positions) {
  if (!positions.defined() || positions.height * positions.width <= 1 || positions.index.max().item<int64_t>() == 0)
    return {};
  return positions;
}

/// The grid of the boxes of cells that lie along `axis`; undefined where these are no boxes of a regular grid.
Positions coarsened(const Positions& fine, int64_t axis) {
  const Tensor some = fine.index.gt(0), number = fine.index - 1;
  const int64_t cells = fine.height * fine.width, far = std::numeric_limits<int32_t>::max();
  const Tensor any = some.any(axis, /*keepdim=*/true);
  const auto range = [&](const Tensor& values) {
    return std::pair(at::where(some, values, far).amin(axis, true), at::where(some, values, -1).amax(axis, true));
  };
  const Tensor sample = number.div(cells, "floor"), cell = number.remainder(cells);
  const auto [sample_low, sample_high] = range(sample);
  const auto [top, bottom] = range(cell.div(fine.width, "floor"));
  const auto [left, right] = range(cell.remainder(fine.width));
  const Tensor heights = (bottom - top + 1).masked_select(any), widths = (right - left + 1).masked_select(any);
  if (heights.numel() == 0 || !sample_low.eq(sample_high).masked_select(any).all().item<bool>()) return {};
  const int64_t h = heights.max().item<int64_t>(), w = widths.max().item<int64_t>();
  const auto aligned = [&](const Tensor& first, const Tensor& extents, int64_t extent, int64_t size) {
    const Tensor start = first.masked_select(any);  // what lies beyond the grid, as padding does, is cut off
    return start.remainder(extent).eq(0).all().item<bool>() && extents.equal((size - start).clamp_max(extent));
  };
  const Tensor count = some.sum(axis, true).masked_select(any), area = heights * widths;
  const bool regular = aligned(top, heights, h, fine.height) && aligned(left, widths, w, fine.width) &&
                       count.remainder(area).eq(0).all().item<bool>() &&
                       count.div(area, "floor").eq(count[0].div(area[0], "floor")).all().item<bool>();
  if (!regular) return {};
  Positions coarse{.height = (fine.height + h - 1) / h, .width = (fine.width + w - 1) / w};
  const Tensor box = top.div(h, "floor") * coarse.width + left.div(w, "floor");
  coarse.index = at::where(any, 1 + sample_low * (coarse.height * coarse.width) + box, 0);
  return coarse;
}

/// Positions of what a sum over `axis` gives; the dimension stays, with size 1.
Positions mixed_over(const Positions& positions, int64_t axis) {
  if (!positions.defined()) return {};
  axis = axis < 0 ? axis + positions.index.dim() : axis;
  if (!same_along(positions.index, axis)) return coarsened(positions, axis);
  Positions mixed = positions;
  mixed.index = positions.index.narrow(axis, 0, 1);
  mixed.planes = false;
  return mixed;
}

/// An index tensor with a letter a dimension, its dimensions in the order of the result's letters; size 1 where it has
/// none.
Tensor in_order(const Tensor& index, const std::string& letters, const std::string& result) {
  std::vector<int64_t> order;
  for (const char letter : result)
    if (const size_t axis = letters.find(letter); axis != std::string::npos)
      order.push_back(static_cast<int64_t>(axis));
  const size_t kept = order.size();
  for (size_t axis = 0; axis < letters.size(); ++axis)
    if (result.find(letters[axis]) == std::string::npos) order.push_back(static_cast<int64_t>(axis));
  Tensor ordered = index.permute(order);
  while (ordered.dim() > static_cast<int64_t>(kept)) ordered = ordered.squeeze(-1);
  for (size_t i = 0; i < result.size(); ++i)
    if (letters.find(result[i]) == std::string::npos) ordered = ordered.unsqueeze(static_cast<int64_t>(i));
  return ordered;
}

bool fits(const Tensor& index, const std::vector<int64_t>& sizes) {
  if (index.dim() > static_cast<int64_t>(sizes.size())) return false;
  for (int64_t i = 1; i <= index.dim(); ++i) {
    const int64_t size = sizes[sizes.size() - static_cast<size_t>(i)];
    if (index.size(-i) != size && index.size(-i) != 1) return false;
  }
  return true;
}

Positions expanded(Positions positions, const std::vector<int64_t>& sizes) {
  if (!positions.defined() || !fits(positions.index, sizes)) return {};
  positions.index = positions.index.expand(sizes);
  return positions;
}

/// Rows and columns of a photo, whole, cropped, strided or padded: [N,C,h,w] whose rows hold one row of cells each.
bool is_picture(const Positions& positions, int64_t batch) {
  const Tensor& index = positions.index;
  if (positions.planes) return true;
  if (index.dim() != 4 || index.size(0) != batch || !same_along(index, 1)) return false;
  const Tensor cell = (index.select(0, 0).select(0, 0) - 1), some = cell.ge(0);
  const auto constant_along = [&](const Tensor& values, int64_t axis) {
    const Tensor low = at::where(some, values, std::numeric_limits<int32_t>::max()).amin(axis, true);
    return values.eq(low).logical_or(some.logical_not()).all().item<bool>();
  };
  return constant_along(cell.div(positions.width, "floor"), 1) && constant_along(cell.remainder(positions.width), 0);
}

/// Every cell has its numbers.
bool is_covered(const Positions& picture) {
  return picture.index.select(0, 0).select(0, 0).gt(0).sum().item<int64_t>() == picture.height * picture.width;
}

Positions new_grid(const std::vector<int64_t>& sizes) {
  const int64_t n = sizes[0], h = sizes[2], w = sizes[3];
  return {.index = (at::arange(n * h * w, at::kLong) + 1).view({n, 1, h, w}).expand(sizes),
          .height = h,
          .width = w,
          .planes = true};
}

bool is_integer(at::ScalarType type) { return at::isIntegralType(type, /*includeBool=*/true); }

}  // namespace

PositionRule position_rule(const std::string& op) {
  const auto found = rules().find(op);
  return found == rules().end() ? PositionRule::elementwise : found->second;
}

int64_t PositionTrace::batch(const Graph::Impl& graph) { return graph.batch.generalises ? 2 : graph.base_batch; }

PositionTrace::PositionTrace(const Graph::Impl& graph, int input, const Tensor& photo, int64_t height, int64_t width)
    : graph_(graph), batch_(batch(graph)), values_(graph.values.size()), shapes_(graph.values.size()) {
  const std::vector<int64_t> shape = photo.sizes().vec();
  const bool planes =
      shape.size() == 4 && shape[2] == height && shape[3] == width && photo.equal(new_grid(shape).index);
  values_[static_cast<size_t>(input)] =
      checked(planes ? new_grid(shape) : Positions{.index = compressed(photo), .height = height, .width = width});
  for (const Node& node : graph.nodes) trace(node);
}

std::vector<int64_t> PositionTrace::sizes(int id) const {
  const Graph::Impl::Value& value = graph_.values[static_cast<size_t>(id)];
  if (value.constant.defined()) return value.constant.sizes().vec();
  std::vector<int64_t> result;
  for (const Dim& dim : value.traced.shape) result.push_back(dim.at(batch_));
  return result;
}

const Positions& PositionTrace::input_of(const Node& node, size_t i) const {
  static const Positions none;
  return i < node.inputs.size() && node.inputs[i] != kAbsent ? of(node.inputs[i]) : none;
}

void PositionTrace::trace(const Node& node) {
  const auto has_positions = [&](int id) { return id != kAbsent && of(id).defined(); };
  if (std::none_of(node.inputs.begin(), node.inputs.end(), has_positions)) return run_shapes(node);
  if (node.outputs.empty() || node.outputs[0] == kAbsent) return;
  Positions result;
  switch (position_rule(node.spec.op_type)) {
    case PositionRule::moving:
      return move(node);
    case PositionRule::elementwise:
      result = elementwise(node);
      break;
    case PositionRule::mixing:
      result = mix(node);
      break;
    case PositionRule::attention:
      result = attend(node);
      break;
    case PositionRule::window:
      result = slide(node);
      break;
    case PositionRule::reduction:
      result = reduce(node);
      break;
  }
  values_[static_cast<size_t>(node.outputs[0])] = checked(std::move(result));
}

/// Integers that follow the batch, for the operators that move.
void PositionTrace::run_shapes(const Node& node) {
  if (node.outputs.size() != 1 || node.outputs[0] == kAbsent) return;
  const Graph::Impl::Value& output = graph_.values[static_cast<size_t>(node.outputs[0])];
  if (!is_integer(output.traced.type) || output.traced.depends_on_input) return;
  Tensors in;
  for (const int id : node.inputs) {
    const Tensor known = id == kAbsent ? Tensor()
                         : graph_.values[static_cast<size_t>(id)].constant.defined()
                             ? graph_.values[static_cast<size_t>(id)].constant
                             : shapes_[static_cast<size_t>(id)];
    if (id != kAbsent && !known.defined()) return;
    in.push_back(known);
  }
  shapes_[static_cast<size_t>(node.outputs[0])] = node.op->forward(in, {.batch = batch_})[0];
}

void PositionTrace::move(const Node& node) {
  Tensors in;
  const Positions* source = nullptr;
  for (const int id : node.inputs) {
    if (id == kAbsent) {
      in.emplace_back();
      continue;
    }
    const Graph::Impl::Value& value = graph_.values[static_cast<size_t>(id)];
    if (of(id).defined()) {
      if (source && (source->height != of(id).height || source->width != of(id).width)) return;
      source = source ? source : &of(id);
      in.push_back(of(id).index);
    } else if (is_integer(value.traced.type)) {
      in.push_back(value.constant.defined() ? value.constant.cpu() : shapes_[static_cast<size_t>(id)]);
      if (!in.back().defined()) return;
    } else {
      in.push_back(at::zeros({}, at::kLong).expand(sizes(id)));
    }
  }
  const Tensors out = node.op->forward(in, {.batch = batch_});
  for (size_t i = 0; i < node.outputs.size() && i < out.size(); ++i) {
    if (node.outputs[i] == kAbsent) continue;
    Positions moved = checked({.index = compressed(out[i].to(at::kLong)),
                               .height = source->height,
                               .width = source->width,
                               .between = source->between});
    // A picture with a stride, or cut, is a picture of its own: as a convolution with that stride would make it.
    if (moved.defined() && is_picture(*source, batch_) && is_picture(moved, batch_) && !is_covered(moved))
      moved = checked(new_grid(sizes(node.outputs[i])));
    values_[static_cast<size_t>(node.outputs[i])] = std::move(moved);
  }
}

/// Of the inputs, the one whose numbers go one to one into the output's, first; numbers without position in it take
/// those of the others.
Positions PositionTrace::elementwise(const Node& node) const {
  const std::vector<int64_t> shape = sizes(node.outputs[0]);
  if (scrambles(node.spec.op_type)) return {};
  std::vector<const Positions*> candidates;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Positions& positions = input_of(node, i);
    if (positions.defined() && fits(positions.index, shape)) candidates.push_back(&positions);
  }
  const auto cells = [](const Positions* p) { return p->height * p->width; };
  const auto whole = [&](const Positions* p) { return p->index.sizes().vec() == shape; };
  std::stable_sort(candidates.begin(), candidates.end(), [&](const Positions* a, const Positions* b) {
    return std::tuple(whole(a), a->planes, cells(a)) > std::tuple(whole(b), b->planes, cells(b));
  });
  if (candidates.empty()) return {};
  Positions result = expanded(*candidates[0], shape);
  result.planes = result.planes && whole(candidates[0]);
  for (const Positions* other : candidates) {
    const bool same = other->index.is_same(candidates[0]->index) || cells(other) != cells(candidates[0]) ||
                      (other->planes && candidates[0]->planes);
    if (same) continue;
    const Tensor theirs = other->index.expand(shape);
    if (!theirs.eq(result.index).logical_or(theirs.eq(0)).logical_or(result.index.eq(0)).all().item<bool>()) return {};
    result.index = compressed(at::where(result.index.eq(0), theirs, result.index));
  }
  return result;
}

Positions PositionTrace::mix(const Node& node) const {
  const Positions &left = input_of(node, 0), &right = input_of(node, 1);
  if (node.spec.op_type == "Einsum") return contract(node).first;
  if (!left.defined() && !right.defined()) return {};
  const std::vector<int64_t> shape = sizes(node.outputs[0]);
  const bool transposed =
      node.spec.attributes.get_int("transA", 0) != 0 || node.spec.attributes.get_int("transB", 0) != 0;
  if (node.spec.op_type == "Gemm" && (right.defined() || node.spec.attributes.get_int("transA", 0) != 0)) return {};
  if (left.defined() && left.index.dim() < 2) return {};
  if (!left.defined() && (transposed || right.index.dim() < 2)) return {};
  Positions result = expanded(left.defined() ? mixed_over(left, -1) : mixed_over(right, -2), shape);
  result.between = left.defined() && right.defined() && !same_along(right.index, right.index.dim() - 1);
  return result;
}

/// Sums over the letters that the result lacks; rows of the first operand of which some positions are left.
std::pair<Positions, size_t> PositionTrace::contract(const Node& node) const {
  std::vector<int64_t> ranks;
  for (const int id : node.inputs) ranks.push_back(static_cast<int64_t>(sizes(id).size()));
  const auto equation = EinsumEquation::read(node.spec.attributes.require_string("equation"), ranks);
  for (size_t source = 0; equation && source < node.inputs.size(); ++source) {
    const std::string& letters = equation->operands[source];
    Positions positions = input_of(node, source);
    for (size_t axis = 0; axis < letters.size(); ++axis)
      if (equation->result.find(letters[axis]) == std::string::npos)
        positions = mixed_over(positions, static_cast<int64_t>(axis));
    if (!checked(positions).defined()) continue;
    positions.planes = false;
    positions.index = in_order(positions.index, letters, equation->result);
    positions.between = is_between(node, *equation, source);
    return {expanded(std::move(positions), sizes(node.outputs[0])), source};
  }
  return {};
}

/// Whether an Einsum's output holds weights between positions: rows of other positions than its source's meet in it.
/// Weights alone stay weights.
bool PositionTrace::is_between(const Node& node, const EinsumEquation& equation, size_t source) const {
  bool alone = true, meets = false;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Positions& other = input_of(node, i);
    if (i == source || !other.defined()) continue;
    alone = false;
    for (size_t axis = 0; axis < equation.operands[i].size(); ++axis) {
      const char letter = equation.operands[i][axis];
      const bool its_own = equation.operands[source].find(letter) == std::string::npos &&
                           equation.result.find(letter) != std::string::npos;
      meets |= its_own && !same_along(other.index, static_cast<int64_t>(axis));
    }
  }
  return alone ? input_of(node, source).between : meets;
}

Positions PositionTrace::attend(const Node& node) const {
  return expanded(mixed_over(input_of(node, 0), -1), sizes(node.outputs[0]));
}

Positions PositionTrace::slide(const Node& node) const {
  const Positions& positions = input_of(node, 0);
  const std::vector<int64_t> shape = sizes(node.outputs[0]);
  if (!positions.defined() || positions.index.dim() != static_cast<int64_t>(shape.size()) || shape.size() < 3)
    return {};
  if (std::equal(shape.begin() + 2, shape.end(), positions.index.sizes().begin() + 2)) {
    Positions result = expanded(mixed_over(positions, 1), shape);
    result.planes = positions.planes && result.defined();
    return result;
  }
  return shape.size() == 4 && is_picture(positions, batch_) ? new_grid(shape) : Positions();
}

Positions PositionTrace::reduce(const Node& node) const {
  Positions result = input_of(node, 0);
  if (!result.defined()) return {};
  const int64_t rank = result.index.dim();
  std::vector<int64_t> axes;
  if (node.inputs.size() > 1 && node.inputs[1] != kAbsent) {
    const Tensor& given = graph_.values[static_cast<size_t>(node.inputs[1])].constant;
    if (!given.defined()) return {};
    for (int64_t i = 0; i < given.numel(); ++i) axes.push_back((given.flatten()[i].item<int64_t>() + rank) % rank);
  }
  if (axes.empty()) return {};
  std::sort(axes.rbegin(), axes.rend());
  for (const int64_t axis : axes) {
    result = mixed_over(result, axis);
    if (!result.defined()) return {};
  }
  if (node.spec.attributes.get_int("keepdims", 1) == 0)
    for (const int64_t axis : axes) result.index = result.index.squeeze(axis);
  return expanded(std::move(result), sizes(node.outputs[0]));
}

/// The input whose positions the output of a mixing node has.
size_t PositionTrace::source_of(const Node& node) const {
  return node.spec.op_type == "Einsum" ? contract(node).second : 0;
}

/// Whether all positions of an input of a node reach the output through it.
bool PositionTrace::goes_on(const Node& node, size_t input, const Reach& reach) const {
  bool kept = false, carried = false;
  for (const int id : node.outputs) {
    if (id == kAbsent || !of(id).defined()) continue;
    kept = true;
    carried |= reach.carries[static_cast<size_t>(id)] != 0;
  }
  switch (position_rule(node.spec.op_type)) {
    case PositionRule::moving:
      return carried;  // a moved class token leaves the positions behind
    case PositionRule::mixing:
    case PositionRule::attention:
      return input == source_of(node) && kept ? carried : true;  // every query sees all keys and values
    default:
      return kept ? carried : true;
  }
}

PositionTrace::Reach PositionTrace::reach(int output) const {
  Reach reach{std::vector<char>(values_.size(), 0), std::vector<char>(values_.size(), 0),
              std::vector<int>(values_.size(), -1)};
  reach.leads[static_cast<size_t>(output)] = 1;
  reach.carries[static_cast<size_t>(output)] = of(output).defined();
  for (auto n = static_cast<int>(graph_.nodes.size()) - 1; n >= 0; --n) {
    const Node& node = graph_.nodes[static_cast<size_t>(n)];
    const auto leads = [&](int id) { return id != kAbsent && reach.leads[static_cast<size_t>(id)] != 0; };
    if (std::none_of(node.outputs.begin(), node.outputs.end(), leads)) continue;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kAbsent) continue;
      const auto id = static_cast<size_t>(node.inputs[i]);
      reach.leads[id] = 1;
      if (!values_[id].defined() || !goes_on(node, i, reach)) continue;
      reach.carries[id] = 1;
      reach.last_use[id] = std::max(reach.last_use[id], n);
    }
  }
  return reach;
}

}  // namespace vitrail
