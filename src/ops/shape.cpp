// Operators that only rearrange: Reshape, Flatten, Transpose, Squeeze, Unsqueeze, Expand, Tile,
// DepthToSpace, SpaceToDepth. Results may be views of their input.

#include <ATen/core/Tensor.h>
#include <vitrail/error.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "ops/arguments.h"
#include "ops/describe.h"
#include "ops/registry.h"
#include "ops/relevance.h"

namespace vitrail {
namespace {

/// The list, or ModelError where a required input is absent.
Ints require(const IntsArgument& argument, const Tensors& in, const std::string& what) {
  if (auto values = argument.get(in)) return *values;
  throw ModelError(what + " is missing");
}

/// Axes counted from the front, sorted. Throws ModelError where one is named twice.
Ints normalize_axes(Ints axes, int64_t rank) {
  for (int64_t& axis : axes) axis = normalize_axis(axis, rank);
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) {
    throw ModelError("axes " + join(axes) + " name one axis twice");
  }
  return axes;
}

/// The same values in the same order under other sizes. Axes go together in the shortest groups of equal volume; of a
/// group that is split or merged the slowest axes follow each other, the faster ones may hold anything.
Locality regrouped(const Ints& input, const Ints& output) {
  Locality locality = Locality::everything(output.size());
  size_t i = 0, o = 0;
  while (i < input.size() && o < output.size()) {
    if ((input[i] == 1) != (output[o] == 1)) {  // an axis of size 1 comes or goes
      input[i] == 1 ? ++i : ++o;
      continue;
    }
    const size_t first_i = i, first_o = o;
    int64_t volume_in = input[i++], volume_out = output[o++];
    while (volume_in != volume_out && (i < input.size() || o < output.size())) {
      if (volume_in < volume_out && i < input.size())
        volume_in *= input[i++];
      else if (volume_out < volume_in && o < output.size())
        volume_out *= output[o++];
      else
        break;
    }
    if (volume_in != volume_out || volume_in == 0) return locality;  // sizes of 0: nothing to follow
    // Position p of the slowest axis holds values p inner .. (p + 1) inner - 1 of the group.
    const int64_t inner_in = volume_in / input[first_i], inner_out = volume_out / output[first_o];
    const auto axis = static_cast<int64_t>(first_i);
    if (inner_in == inner_out)
      locality.axes[first_o] = AxisReach::same(axis);
    else if (inner_out % inner_in == 0)
      locality.axes[first_o] = {axis, inner_out / inner_in, 1, 0, inner_out / inner_in - 1};
    else if (inner_in % inner_out == 0)
      locality.axes[first_o] = {axis, 1, inner_in / inner_out, 0, 0};
  }
  return locality;
}

/// 0 keeps the input's size (unless allowzero), one -1 takes what is left.
class Reshape : public Operator {
 public:
  explicit Reshape(const OperatorSpec& spec)
      : shape_(spec, 1), allow_zero_(spec.attributes().get_int("allowzero", 0) != 0) {}

  std::string_view name() const override { return "Reshape"; }
  std::string describe() const override { return describe_constant("shape", shape_); }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const Ints wanted = require(shape_, in, "the shape of Reshape");
    Ints shape = wanted;
    int64_t unknown = -1;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] == 0 && !allow_zero_ && static_cast<int64_t>(i) < x.dim())
        shape[i] = x.size(static_cast<int64_t>(i));
      if (shape[i] == -1 && unknown < 0) unknown = static_cast<int64_t>(i);
    }
    Ints stated = shape;
    if (unknown >= 0) stated[static_cast<size_t>(unknown)] = 1;
    check_result_shape(stated);
    const int64_t known = std::accumulate(stated.begin(), stated.end(), int64_t{1}, std::multiplies<>());
    if (unknown >= 0 && known != 0) shape[static_cast<size_t>(unknown)] = x.numel() / known;
    if ((unknown >= 0 ? known == 0 || x.numel() % known != 0 : known != x.numel())) {
      throw ModelError("Reshape cannot turn " + shape_text(x) + " into [" + join(wanted) + "]");
    }
    return {x.reshape(shape)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return input == 0 ? regrouped(in[0].sizes().vec(), out) : Locality::everything(out.size());
  }

 private:
  IntsArgument shape_;
  bool allow_zero_;
};

/// Two axes: what comes before `axis`, and the rest.
class Flatten : public Operator {
 public:
  explicit Flatten(const OperatorSpec& spec) : axis_(spec.attributes().get_int("axis", 1)) {}
  std::string_view name() const override { return "Flatten"; }
  std::string describe() const override { return "axis=" + std::to_string(axis_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const int64_t axis = axis_ == x.dim() ? axis_ : normalize_axis(axis_, x.dim());
    int64_t rows = 1, columns = 1;
    for (int64_t i = 0; i < x.dim(); ++i) (i < axis ? rows : columns) *= x.size(i);
    return {x.reshape({rows, columns})};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t, size_t, const Tensors& in, const Ints& out) const override {
    return regrouped(in[0].sizes().vec(), out);
  }

 private:
  int64_t axis_;
};

class Transpose : public Operator {
 public:
  explicit Transpose(const OperatorSpec& spec) : order_(spec.attributes().get_ints("perm")) {}
  std::string_view name() const override { return "Transpose"; }
  std::string describe() const override { return order_.empty() ? "" : "perm=" + join(order_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    Ints order = order_;
    if (order.empty()) {
      for (int64_t axis = in[0].dim(); axis-- > 0;) order.push_back(axis);
    }
    Ints sorted(order);
    std::sort(sorted.begin(), sorted.end());
    bool valid = static_cast<int64_t>(sorted.size()) == in[0].dim();
    for (size_t i = 0; valid && i < sorted.size(); ++i) valid = sorted[i] == static_cast<int64_t>(i);
    if (!valid) throw ModelError("perm " + join(order) + " is no order of the axes of " + shape_text(in[0]));
    return {in[0].permute(order)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t, size_t, const Tensors&, const Ints& out) const override {
    Locality locality = Locality::everything(out.size());
    locality.by_parts = true;
    const auto rank = static_cast<int64_t>(out.size());
    for (int64_t d = 0; d < rank; ++d)
      locality.axes[static_cast<size_t>(d)] = AxisReach::same(order_.empty() ? rank - 1 - d : order_[d]);
    return locality;
  }

 private:
  Ints order_;
};

class Squeeze : public Operator {
 public:
  explicit Squeeze(const OperatorSpec& spec) : axes_(spec, 1) {}
  std::string_view name() const override { return "Squeeze"; }
  std::string describe() const override { return describe_constant("axes", axes_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const auto given = axes_.get(in);
    if (!given) return {x.squeeze()};
    const Ints axes = normalize_axes(*given, x.dim());
    for (int64_t axis : axes) {
      if (x.size(axis) != 1) {
        throw ModelError("Squeeze cannot remove axis " + std::to_string(axis) + " of " + shape_text(x) +
                         ": its size is not 1");
      }
    }
    return {x.squeeze(axes)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return input == 0 ? regrouped(in[0].sizes().vec(), out) : Locality::everything(out.size());
  }

 private:
  IntsArgument axes_;
};

/// The axes are counted in the result.
class Unsqueeze : public Operator {
 public:
  explicit Unsqueeze(const OperatorSpec& spec) : axes_(spec, 1) {}
  std::string_view name() const override { return "Unsqueeze"; }
  std::string describe() const override { return describe_constant("axes", axes_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Ints given = require(axes_, in, "the axes of Unsqueeze");
    Tensor y = in[0];
    for (int64_t axis : normalize_axes(given, y.dim() + static_cast<int64_t>(given.size()))) y = y.unsqueeze(axis);
    return {y};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return input == 0 ? regrouped(in[0].sizes().vec(), out) : Locality::everything(out.size());
  }

 private:
  IntsArgument axes_;
};

/// Broadcasts both ways: where the wanted size is 1 the input's stays.
class Expand : public Operator {
 public:
  explicit Expand(const OperatorSpec& spec) : shape_(spec, 1) {}
  std::string_view name() const override { return "Expand"; }
  std::string describe() const override { return describe_constant("shape", shape_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const Ints wanted = require(shape_, in, "the shape of Expand");
    Ints shape = wanted;
    const int64_t rank = std::max<int64_t>(x.dim(), static_cast<int64_t>(shape.size()));
    shape.insert(shape.begin(), static_cast<size_t>(rank) - shape.size(), 1);
    for (int64_t i = 0; i < x.dim(); ++i) {
      int64_t& size = shape[static_cast<size_t>(rank - x.dim() + i)];
      if (size == 1) size = x.size(i);
      if (size != x.size(i) && x.size(i) != 1) {
        throw ModelError("Expand cannot broadcast " + shape_text(x) + " to [" + join(wanted) + "]");
      }
    }
    check_result_shape(shape);
    return {x.expand(shape)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    if (input != 0) return Locality::everything(out.size());
    Locality locality = Locality::elementwise(in[0].sizes().vec(), out);
    locality.by_parts = false;
    return locality;
  }

 private:
  IntsArgument shape_;
};

class Tile : public Operator {
 public:
  explicit Tile(const OperatorSpec& spec) : repeats_(spec, 1) {}
  std::string_view name() const override { return "Tile"; }
  std::string describe() const override { return describe_constant("repeats", repeats_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Ints repeats = require(repeats_, in, "the repeats of Tile");
    const bool valid = std::all_of(repeats.begin(), repeats.end(), [](int64_t n) { return n >= 0; });
    if (!valid || static_cast<int64_t>(repeats.size()) != in[0].dim()) {
      throw ModelError("Tile cannot repeat " + shape_text(in[0]) + " by " + join(repeats) +
                       "; expected one count an axis");
    }
    Ints shape = in[0].sizes().vec();
    for (size_t i = 0; i < shape.size(); ++i) shape[i] *= std::min(repeats[i], kMostElements + 1);
    check_result_shape(shape);
    return {in[0].repeat(repeats)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    if (input != 0) return Locality::everything(out.size());
    Locality locality = Locality::elementwise(in[0].sizes().vec(), out);
    locality.by_parts = false;
    return locality;
  }

 private:
  IntsArgument repeats_;
};

int64_t parse_block(const Attributes& attributes) {
  const int64_t block = attributes.require_int("blocksize");
  constexpr int64_t most = 1 << 15;  // its square is far from overflow
  if (block < 1 || block > most)
    throw ModelError("blocksize is " + std::to_string(block) + "; expected a number from 1 to " + std::to_string(most));
  return block;
}

/// Turns b*b channels into a block of b x b positions. DCR: the block is the slowest part of the
/// channel number; CRD: the fastest.
class DepthToSpace : public Operator {
 public:
  explicit DepthToSpace(const OperatorSpec& spec) : block_(parse_block(spec.attributes())) {
    const std::string mode = spec.attributes().get_string("mode", "DCR");
    if (mode != "DCR" && mode != "CRD") throw ModelError("mode is '" + mode + "'; expected DCR or CRD");
    block_first_ = mode == "DCR";
  }

  std::string_view name() const override { return "DepthToSpace"; }
  std::string describe() const override {
    return "blocksize=" + std::to_string(block_) + (block_first_ ? " DCR" : " CRD");
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const int64_t b = block_;
    if (x.dim() != 4 || x.size(1) % (b * b) != 0) {
      throw ModelError("DepthToSpace got " + shape_text(x) + "; expected [N,C,H,W] with C a multiple of " +
                       std::to_string(b * b));
    }
    const int64_t n = x.size(0), c = x.size(1) / (b * b), h = x.size(2), w = x.size(3);
    const Tensor blocks = block_first_ ? x.reshape({n, b, b, c, h, w}).permute({0, 3, 4, 1, 5, 2})
                                       : x.reshape({n, c, b, b, h, w}).permute({0, 1, 4, 2, 5, 3});
    return {blocks.reshape({n, c, h * b, w * b})};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t, size_t, const Tensors&, const Ints& out) const override {
    Locality locality = Locality::everything(out.size());
    locality.axes[0] = AxisReach::same(0);
    for (const int64_t axis : {2, 3}) locality.axes[static_cast<size_t>(axis)] = {axis, 1, block_, 0, 0};
    return locality;
  }

 private:
  int64_t block_;
  bool block_first_;
};

/// The inverse of DepthToSpace in mode DCR.
class SpaceToDepth : public Operator {
 public:
  explicit SpaceToDepth(const OperatorSpec& spec) : block_(parse_block(spec.attributes())) {}
  std::string_view name() const override { return "SpaceToDepth"; }
  std::string describe() const override { return "blocksize=" + std::to_string(block_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const int64_t b = block_;
    if (x.dim() != 4 || x.size(2) % b != 0 || x.size(3) % b != 0) {
      throw ModelError("SpaceToDepth got " + shape_text(x) + "; expected [N,C,H,W] with H and W multiples of " +
                       std::to_string(b));
    }
    const int64_t n = x.size(0), c = x.size(1), h = x.size(2) / b, w = x.size(3) / b;
    return {x.reshape({n, c, h, b, w, b}).permute({0, 3, 5, 1, 2, 4}).reshape({n, c * b * b, h, w})};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t, size_t, const Tensors&, const Ints& out) const override {
    Locality locality = Locality::everything(out.size());
    locality.axes[0] = AxisReach::same(0);
    for (const int64_t axis : {2, 3}) locality.axes[static_cast<size_t>(axis)] = {axis, block_, 1, 0, block_ - 1};
    return locality;
  }

 private:
  int64_t block_;
};

}  // namespace

void register_shape(OperatorRegistry& registry) {
  registry.add("Reshape", make_operator<Reshape>, 2);
  registry.add("Flatten", make_operator<Flatten>);
  registry.add("Transpose", make_operator<Transpose>);
  registry.add("Squeeze", make_operator<Squeeze>);
  registry.add("Unsqueeze", make_operator<Unsqueeze>, 2);
  registry.add("Expand", make_operator<Expand>, 2);
  registry.add("Tile", make_operator<Tile>, 2);
  registry.add("DepthToSpace", make_operator<DepthToSpace>);
  registry.add("SpaceToDepth", make_operator<SpaceToDepth>);
}

}  // namespace vitrail
