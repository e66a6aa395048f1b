// Operators that take or put by position: Slice, Gather, GatherElements, GatherND, ScatterND, Split,
// Concat, Pad. Positions are not differentiated; data is, to any order.

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include <algorithm>
#include <numeric>

#include "ops/arguments.h"
#include "ops/describe.h"
#include "ops/registry.h"
#include "ops/relevance.h"

namespace vitrail {
namespace {

Ints range(size_t n) {
  Ints axes(n);
  std::iota(axes.begin(), axes.end(), int64_t{0});
  return axes;
}

int64_t product(c10::IntArrayRef sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

/// Positions beside the data, as int64, counted from the front.
Tensor positions(const Tensor& index, const Tensor& data, int64_t size) {
  const Tensor here = beside(index, data).to(at::kLong);
  return at::where(here.lt(0), here + size, here);
}

/// start:end:step an axis, backwards where the step is negative; beyond the ends is clamped.
class Slice : public Operator {
 public:
  explicit Slice(const OperatorSpec& spec) : starts_(spec, 1), ends_(spec, 2), axes_(spec, 3), steps_(spec, 4) {}

  std::string_view name() const override { return "Slice"; }

  std::string describe() const override {
    std::string text = describe_constant("starts", starts_);
    add_word(text, describe_constant("ends", ends_));
    add_word(text, describe_constant("axes", axes_));
    add_word(text, describe_constant("steps", steps_));
    return text;
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Ints starts = starts_.get(in).value_or(Ints()), ends = ends_.get(in).value_or(Ints());
    const Ints axes = axes_.get(in).value_or(range(starts.size()));
    const Ints steps = steps_.get(in).value_or(Ints(starts.size(), 1));
    if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
      throw ModelError("Slice got starts " + join(starts) + ", ends " + join(ends) + ", axes " + join(axes) +
                       ", steps " + join(steps) + "; expected lists of the same length");
    }
    Tensor y = in[0];
    for (size_t i = 0; i < starts.size(); ++i) {
      y = slice_axis(y, normalize_axis(axes[i], y.dim()), starts[i], ends[i], steps[i]);
    }
    return {y};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  /// Backwards, an axis counts as read from anywhere.
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    Locality locality = Locality::everything(out.size());
    const bool known =
        starts_.constant() && (!axes_.present() || axes_.constant()) && (!steps_.present() || steps_.constant());
    if (input != 0 || !known) return locality;
    const Ints starts = *starts_.constant(), axes = axes_.constant().value_or(range(starts.size()));
    const Ints steps = steps_.constant().value_or(Ints(starts.size(), 1));
    for (size_t d = 0; d < out.size(); ++d) locality.axes[d] = AxisReach::same(static_cast<int64_t>(d));
    for (size_t i = 0; i < axes.size() && i < steps.size(); ++i) {
      const int64_t axis = normalize_axis(axes[i], in[0].dim()), size = in[0].size(axis);
      const int64_t start = std::clamp<int64_t>(starts[i] < 0 ? starts[i] + size : starts[i], 0, size);
      locality.axes[static_cast<size_t>(axis)] = {};
      if (steps[i] > 0)
        locality.axes[static_cast<size_t>(axis)] = {axis, std::min(steps[i], size + 1), 1, start, start};
    }
    return locality;
  }

 private:
  static Tensor slice_axis(const Tensor& x, int64_t axis, int64_t start, int64_t end, int64_t step) {
    const int64_t size = x.size(axis);
    if (step == 0) throw ModelError("Slice got a step of 0");
    // Longer steps than the axis take one element as well; clamped, they cannot overflow.
    step = std::clamp(step, -size - 1, size + 1);
    if (start < 0) start += size;
    if (end < 0) end += size;
    if (step > 0) {
      start = std::clamp<int64_t>(start, 0, size);
      end = std::clamp<int64_t>(end, start, size);
      return x.slice(axis, start, end, step);
    }
    if (size == 0) return x;
    // Unlike Python's, ONNX's clamping of a start below the first element takes that element.
    start = std::clamp<int64_t>(start, 0, size - 1);
    end = std::clamp<int64_t>(end, -1, start);
    if (start == end) return x.slice(axis, 0, 0);
    // Backwards from start is forwards from the last element taken, flipped.
    const int64_t last = start - (start - end - 1) / -step * -step;
    return x.slice(axis, last, start + 1, -step).flip(axis);
  }

  IntsArgument starts_, ends_, axes_, steps_;
};

/// Each position of `indices` replaced by the slice of the data there.
class Gather : public Operator {
 public:
  explicit Gather(const OperatorSpec& spec) : axis_(spec.attributes().get_int("axis", 0)) {}
  std::string_view name() const override { return "Gather"; }
  std::string describe() const override { return "axis=" + std::to_string(axis_); }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor &x = in[0], &indices = in[1];
    const int64_t axis = normalize_axis(axis_, x.dim());
    if (indices.dim() == 0) return {x.select(axis, normalize_axis(indices.item<int64_t>(), x.size(axis)))};
    const Tensor taken = x.index_select(axis, positions(indices, x, x.size(axis)).flatten());
    Ints shape = x.sizes().vec();
    shape.erase(shape.begin() + axis);
    shape.insert(shape.begin() + axis, indices.sizes().begin(), indices.sizes().end());
    return {taken.reshape(shape)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  /// The axes before and behind the one that is taken from.
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    Locality locality = Locality::everything(out.size());
    if (input != 0) return locality;
    const int64_t axis = normalize_axis(axis_, in[0].dim()), inserted = in[1].dim();
    locality.by_parts = true;
    for (int64_t d = 0; d < in[0].dim(); ++d)
      if (d != axis) locality.axes[static_cast<size_t>(d < axis ? d : d - 1 + inserted)] = AxisReach::same(d);
    return locality;
  }

 private:
  int64_t axis_;
};

/// y[i][j][k] = x[i][indices[i][j][k]][k] for axis 1.
class GatherElements : public Operator {
 public:
  explicit GatherElements(const OperatorSpec& spec) : axis_(spec.attributes().get_int("axis", 0)) {}
  std::string_view name() const override { return "GatherElements"; }
  std::string describe() const override { return "axis=" + std::to_string(axis_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    if (in[1].dim() != x.dim()) {
      throw ModelError("GatherElements got data " + shape_text(x) + " and indices " + shape_text(in[1]) +
                       "; expected the same rank");
    }
    const int64_t axis = normalize_axis(axis_, x.dim());
    return {at::gather(x, axis, positions(in[1], x, x.size(axis)))};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }

 private:
  int64_t axis_;
};

/// Tuples of positions [..., k] into the axes `first` to `first + k` of the data, as positions in
/// those axes laid end to end.
Tensor flat_positions(const Tensor& indices, const Tensor& data, int64_t first) {
  const int64_t depth = indices.size(-1);
  Tensor flat;
  for (int64_t i = 0; i < depth; ++i) {
    const int64_t size = data.size(first + i);
    const Tensor p = positions(indices.select(-1, i), data, size);
    flat = flat.defined() ? flat * size + p : p;
  }
  return flat;
}

void require_tuples(const std::string& op, const Tensor& data, const Tensor& indices, int64_t batch_dims) {
  if (batch_dims >= 0 && indices.dim() > batch_dims && indices.size(-1) >= 1 &&
      indices.size(-1) + batch_dims <= data.dim()) {
    return;
  }
  throw ModelError(op + " got data " + shape_text(data) + " and indices " + shape_text(indices) + " with " +
                   std::to_string(batch_dims) + " batch axes; expected tuples of 1 to " +
                   std::to_string(data.dim() - batch_dims) + " positions in the last axis");
}

/// The last axis of `indices` holds tuples of positions; the first `batch_dims` axes are shared.
class GatherND : public Operator {
 public:
  explicit GatherND(const OperatorSpec& spec) : batch_dims_(spec.attributes().get_int("batch_dims", 0)) {}
  std::string_view name() const override { return "GatherND"; }
  std::string describe() const override { return batch_dims_ == 0 ? "" : "batch_dims=" + std::to_string(batch_dims_); }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor &x = in[0], &indices = in[1];
    require_tuples("GatherND", x, indices, batch_dims_);
    const int64_t depth = indices.size(-1);
    const int64_t batch = product(x.sizes().slice(0, batch_dims_));
    const int64_t places = product(x.sizes().slice(batch_dims_, depth));
    const auto slice = x.sizes().slice(batch_dims_ + depth);

    const Tensor within = flat_positions(indices, x, batch_dims_).reshape({batch, -1});
    Ints offsets(batch);
    for (int64_t b = 0; b < batch; ++b) offsets[b] = b * places;
    const Tensor flat = (within + beside(at::tensor(offsets), x).unsqueeze(1)).flatten();

    Ints shape = indices.sizes().vec();
    shape.pop_back();
    shape.insert(shape.end(), slice.begin(), slice.end());
    return {x.reshape({batch * places, product(slice)}).index_select(0, flat).reshape(shape)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }

 private:
  int64_t batch_dims_;
};

/// A copy of the data with slices replaced by the updates, or reduced with them.
class ScatterND : public Operator {
 public:
  explicit ScatterND(const OperatorSpec& spec) : reduction_(spec.attributes().get_string("reduction", "none")) {
    for (const char* known : {"none", "add", "mul", "min", "max"}) {
      if (reduction_ == known) return;
    }
    throw ModelError("reduction is '" + reduction_ + "'; expected none, add, mul, min or max");
  }

  std::string_view name() const override { return "ScatterND"; }
  std::string describe() const override { return "reduction=" + reduction_; }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor &x = in[0], &indices = in[1];
    require_tuples("ScatterND", x, indices, 0);
    const int64_t depth = indices.size(-1);
    const int64_t places = product(x.sizes().slice(0, depth)), width = product(x.sizes().slice(depth));
    const Tensor flat = flat_positions(indices, x, 0).flatten();
    if (in[2].numel() != flat.numel() * width) {
      throw ModelError("ScatterND got updates " + shape_text(in[2]) + " for data " + shape_text(x) + " and indices " +
                       shape_text(indices) + "; expected " + std::to_string(flat.numel() * width) + " values");
    }
    const Tensor rows = x.reshape({places, width}), updates = in[2].reshape({flat.numel(), width});
    return {scatter(rows, flat, updates).reshape(x.sizes())};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    if (reduction_ == "none") return relevance_of_moves(call);
    return reduction_ == "add" ? relevance_of_linear(call) : relevance_of_rest(call);
  }

 private:
  Tensor scatter(const Tensor& rows, const Tensor& flat, const Tensor& updates) const {
    if (reduction_ == "none") return rows.index_copy(0, flat, updates);
    if (reduction_ == "add") return rows.index_add(0, flat, updates);
    const char* reduce = reduction_ == "mul" ? "prod" : reduction_ == "min" ? "amin" : "amax";
    return rows.scatter_reduce(0, flat.unsqueeze(1).expand(updates.sizes()), updates, reduce, /*include_self=*/true);
  }

  std::string reduction_;
};

/// Into the given sizes; without them into equal parts, the last one smaller where they do not divide.
class Split : public Operator {
 public:
  explicit Split(const OperatorSpec& spec)
      : axis_(spec.attributes().get_int("axis", 0)),
        sizes_(spec, 1),
        parts_(spec.attributes().get_int("num_outputs", static_cast<int64_t>(spec.outputs()))) {
    if (parts_ < 1 || parts_ > static_cast<int64_t>(spec.outputs()))
      throw ModelError("num_outputs is " + std::to_string(parts_) + "; expected " + std::to_string(spec.outputs()) +
                       ", as many as the node has");
  }

  std::string_view name() const override { return "Split"; }

  std::string describe() const override {
    std::string text = "axis=" + std::to_string(axis_);
    add_word(text, describe_constant("sizes", sizes_));
    return text;
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const int64_t axis = normalize_axis(axis_, in[0].dim()), size = in[0].size(axis);
    Ints sizes = sizes_.get(in).value_or(Ints());
    if (!sizes_.present()) {
      const int64_t part = (size + parts_ - 1) / parts_;
      for (int64_t i = 0, left = size; i < parts_; ++i, left -= sizes.back()) sizes.push_back(std::min(part, left));
    }
    const bool valid = std::all_of(sizes.begin(), sizes.end(), [&](int64_t s) { return s >= 0 && s <= size; });
    if (!valid || std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) != size) {
      throw ModelError("Split cannot divide axis " + std::to_string(axis) + " of " + shape_text(in[0]) + " into " +
                       join(sizes) + "; expected sizes that sum to " + std::to_string(size));
    }
    return in[0].split_with_sizes(sizes, axis);
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t input, size_t output, const Tensors& in, const Ints& out) const override {
    if (input != 0 || (sizes_.present() && !sizes_.constant())) return Locality::everything(out.size());
    const int64_t axis = normalize_axis(axis_, in[0].dim()), part = (in[0].size(axis) + parts_ - 1) / parts_;
    int64_t begin = sizes_.present() ? 0 : part * static_cast<int64_t>(output);
    for (size_t i = 0; sizes_.present() && i < output; ++i) begin += sizes_.constant()->at(i);
    Locality locality = Locality::along_others({axis}, out.size());
    locality.axes[static_cast<size_t>(axis)] = AxisReach::shifted(axis, begin);
    return locality;
  }

 private:
  int64_t axis_;
  IntsArgument sizes_;
  int64_t parts_;
};

class Concat : public Operator {
 public:
  explicit Concat(const OperatorSpec& spec) : axis_(spec.attributes().require_int("axis")) {}
  std::string_view name() const override { return "Concat"; }
  std::string describe() const override { return "axis=" + std::to_string(axis_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    return {at::cat(in, normalize_axis(axis_, in[0].dim()))};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    const int64_t axis = normalize_axis(axis_, in[0].dim());
    int64_t before = 0;
    for (size_t i = 0; i < input; ++i) before += in[i].size(axis);
    Locality locality = Locality::along_others({axis}, out.size());
    locality.axes[static_cast<size_t>(axis)] = AxisReach::shifted(axis, -before);
    return locality;
  }

 private:
  int64_t axis_;
};

enum class PadMode { constant, reflect, edge, wrap };

PadMode parse_pad_mode(const std::string& text) {
  if (text == "constant") return PadMode::constant;
  if (text == "reflect") return PadMode::reflect;
  if (text == "edge") return PadMode::edge;
  if (text == "wrap") return PadMode::wrap;
  throw ModelError("mode is '" + text + "'; expected constant, reflect, edge or wrap");
}

/// Where position i, possibly outside, is read from.
int64_t padded_from(int64_t i, int64_t size, PadMode mode) {
  if (mode == PadMode::edge) return std::clamp<int64_t>(i, 0, size - 1);
  const int64_t period = mode == PadMode::wrap ? size : std::max<int64_t>(1, 2 * (size - 1));
  const int64_t p = (i % period + period) % period;
  return p < size ? p : period - p;  // reflect: the edge itself is not repeated
}

/// Grows each axis at both ends, or crops it where a pad is negative.
class Pad : public Operator {
 public:
  explicit Pad(const OperatorSpec& spec)
      : mode_(parse_pad_mode(spec.attributes().get_string("mode", "constant"))), pads_(spec, 1), axes_(spec, 3) {}

  std::string_view name() const override { return "Pad"; }

  std::string describe() const override {
    static constexpr const char* names[] = {"constant", "reflect", "edge", "wrap"};
    std::string text = names[static_cast<int>(mode_)];
    add_word(text, describe_constant("pads", pads_));
    return text;
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const size_t rank = static_cast<size_t>(x.dim());
    const Ints pads = pads_.get(in).value_or(Ints()), axes = axes_.get(in).value_or(range(rank));
    if (pads.size() != 2 * axes.size()) {
      throw ModelError("Pad got pads " + join(pads) + " for " + std::to_string(axes.size()) +
                       " axes; expected a beginning and an end for each");
    }
    Ints begin(rank, 0), end(rank, 0), padded = x.sizes().vec();
    for (size_t i = 0; i < axes.size(); ++i) {
      const size_t axis = static_cast<size_t>(normalize_axis(axes[i], x.dim()));
      // Cut at the limit, the sum cannot overflow, and still says too large or too small.
      begin[axis] = std::clamp(pads[i], -kMostElements, 2 * kMostElements);
      end[axis] = std::clamp(pads[i + axes.size()], -kMostElements, 2 * kMostElements);
      padded[axis] += begin[axis] + end[axis];
    }
    if (std::any_of(padded.begin(), padded.end(), [](int64_t size) { return size < 0; }))
      throw ModelError("Pad cannot crop " + join(pads) + " from " + shape_text(x));
    check_result_shape(padded);
    return {mode_ == PadMode::constant ? constant(in, begin, end) : repeated(x, begin, end)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  /// Along an axis that repeats its values outside, as read from anywhere.
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    Locality locality = Locality::everything(out.size());
    if (input != 0 || !pads_.constant() || (axes_.present() && !axes_.constant())) return locality;
    const Ints pads = *pads_.constant(), axes = axes_.constant().value_or(range(out.size()));
    for (size_t d = 0; d < out.size(); ++d) locality.axes[d] = AxisReach::same(static_cast<int64_t>(d));
    for (size_t i = 0; i < axes.size(); ++i) {
      const int64_t axis = normalize_axis(axes[i], in[0].dim());
      if (pads[i] == 0 && pads[i + axes.size()] == 0) continue;
      locality.axes[static_cast<size_t>(axis)] =
          mode_ == PadMode::constant ? AxisReach::shifted(axis, -pads[i]) : AxisReach{};
    }
    return locality;
  }

 private:
  static Tensor constant(const Tensors& in, const Ints& begin, const Ints& end) {
    Ints padding;  // ATen lists the last axis first
    for (size_t axis = begin.size(); axis-- > 0;) {
      padding.push_back(begin[axis]);
      padding.push_back(end[axis]);
    }
    const bool given = in.size() > 2 && in[2].defined() && in[2].numel() > 0;
    return at::constant_pad_nd(in[0], padding, given ? in[2].item() : at::Scalar(0));
  }

  Tensor repeated(Tensor x, const Ints& begin, const Ints& end) const {
    for (size_t axis = 0; axis < begin.size(); ++axis) {
      if (begin[axis] == 0 && end[axis] == 0) continue;
      const int64_t dim = static_cast<int64_t>(axis), size = x.size(dim);
      if (size == 0) throw ModelError("Pad cannot repeat the values of an empty axis of " + shape_text(x));
      const Tensor from = at::zeros({begin[axis] + size + end[axis]}, at::kLong);
      for (int64_t i = 0; i < from.numel(); ++i)
        from.data_ptr<int64_t>()[i] = padded_from(i - begin[axis], size, mode_);
      x = x.index_select(dim, beside(from, x));
    }
    return x;
  }

  PadMode mode_;
  IntsArgument pads_, axes_;
};

}  // namespace

void register_indexing(OperatorRegistry& registry) {
  registry.add("Slice", make_operator<Slice>, 3);
  registry.add("Gather", make_operator<Gather>, 2);
  registry.add("GatherElements", make_operator<GatherElements>, 2);
  registry.add("GatherND", make_operator<GatherND>, 2);
  registry.add("ScatterND", make_operator<ScatterND>, 3);
  registry.add("Split", make_operator<Split>);
  registry.add("Concat", make_operator<Concat>, OperatorRegistry::all_inputs);
  registry.add("Pad", make_operator<Pad>, 2);
}

}  // namespace vitrail
