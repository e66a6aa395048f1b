// Operators that choose or place values by what the data says, or by a pattern over positions: OneHot, NonZero,
// Compress, ScatterElements, TensorScatter, ReverseSequence, Trilu, EyeLike, Hardmax, CenterCropPad,
// NonMaxSuppression.

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/scatter.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/triu.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/arguments.h"
#include "ops/creation.h"
#include "ops/describe.h"
#include "ops/registry.h"
#include "ops/relevance.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// 0 .. size-1 along `axis` of a tensor of `rank` axes.
Tensor ramp(int64_t size, int64_t axis, int64_t rank, const Tensor& beside_data) {
  Ints shape(static_cast<size_t>(rank), 1);
  shape[static_cast<size_t>(axis)] = size;
  return at::arange(size, beside_data.options().dtype(at::kLong)).reshape(shape);
}

/// values[1] at the index of each entry along a new axis, values[0] elsewhere; nothing is on for an index out of range.
class OneHot : public Operator {
 public:
  explicit OneHot(const OperatorSpec& spec) : axis_(spec.attributes().get_int("axis", -1)) {}
  std::string_view name() const override { return "OneHot"; }
  std::string describe() const override { return "axis=" + std::to_string(axis_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const int64_t depth = to_scalar(in[1]).to<int64_t>(), rank = in[0].dim() + 1, axis = normalize_axis(axis_, rank);
    if (depth < 1 || in[2].numel() != 2)
      throw ModelError("OneHot got depth " + std::to_string(depth) + " and values " + shape_text(in[2]) +
                       "; expected a depth from 1 up and two values.");
    Ints shape = in[0].sizes().vec();
    shape.insert(shape.begin() + axis, depth);
    check_result_shape(shape);
    const Tensor index = beside(in[0], in[2]).to(at::kLong).unsqueeze(axis);
    const Tensor on = at::where(index.lt(0), index + depth, index).eq(ramp(depth, axis, rank, in[2]));
    const Tensor values = in[2].reshape({2});
    return {at::where(on, values[1], values[0])};
  }

 private:
  int64_t axis_;
};

/// The positions of what is not zero, one a column. How many there are depends on the data.
class NonZero : public Operator {
 public:
  explicit NonZero(const OperatorSpec&) {}
  std::string_view name() const override { return "NonZero"; }
  bool differentiable() const override { return false; }
  Tensors forward(const Tensors& in, const RunContext&) const override { return {at::nonzero(in[0]).t()}; }
};

/// The slices whose condition is true; of the flattened tensor where no axis is given.
class Compress : public Operator {
 public:
  explicit Compress(const OperatorSpec& spec) : axis_(spec.attributes().find_int("axis")) {}
  std::string_view name() const override { return "Compress"; }
  std::string describe() const override { return axis_ ? "axis=" + std::to_string(*axis_) : "flat"; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor x = axis_ ? in[0] : in[0].flatten();
    const int64_t axis = axis_ ? normalize_axis(*axis_, x.dim()) : 0;
    const Tensor chosen = at::nonzero(beside(in[1], x).flatten()).flatten();
    if (in[1].numel() > x.size(axis))
      throw ModelError("Compress got " + std::to_string(in[1].numel()) + " conditions for an axis of " +
                       std::to_string(x.size(axis)) + ".");
    return {x.index_select(axis, chosen)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }

 private:
  std::optional<int64_t> axis_;
};

/// A copy of the data in which the value at indices[..., i, ...] along the axis is the update, or reduced with it.
class ScatterElements : public Operator {
 public:
  explicit ScatterElements(const OperatorSpec& spec)
      : axis_(spec.attributes().get_int("axis", 0)), reduction_(spec.attributes().get_string("reduction", "none")) {
    for (const char* known : {"none", "add", "mul", "min", "max"})
      if (reduction_ == known) return;
    throw ModelError("reduction is '" + reduction_ + "'; expected none, add, mul, min or max");
  }
  std::string_view name() const override { return "ScatterElements"; }
  std::string describe() const override { return "axis=" + std::to_string(axis_) + " reduction=" + reduction_; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const int64_t axis = normalize_axis(axis_, x.dim());
    if (in[1].sizes() != in[2].sizes())
      throw ModelError("ScatterElements got indices " + shape_text(in[1]) + " and updates " + shape_text(in[2]) +
                       "; expected one shape.");
    const Tensor given = beside(in[1], x).to(at::kLong), updates = beside(in[2], x);
    const Tensor index = at::where(given.lt(0), given + x.size(axis), given);
    if (reduction_ == "none") return {x.scatter(axis, index, updates)};
    if (reduction_ == "add") return {x.scatter_add(axis, index, updates)};
    const char* reduce = reduction_ == "mul" ? "prod" : reduction_ == "min" ? "amin" : "amax";
    return {x.scatter_reduce(axis, index, updates, reduce, /*include_self=*/true)};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    if (reduction_ == "none") return relevance_of_moves(call);
    return reduction_ == "add" ? relevance_of_linear(call) : relevance_of_rest(call);
  }

 private:
  int64_t axis_;
  std::string reduction_;
};

/// Writes `update` into the cache from a position a sample on: the key-value caches of transformers.
class TensorScatter : public Operator {
 public:
  explicit TensorScatter(const OperatorSpec& spec)
      : axis_(spec.attributes().get_int("axis", -2)), mode_(spec.attributes().get_string("mode", "linear")) {
    if (mode_ != "linear" && mode_ != "circular")
      throw ModelError("mode is '" + mode_ + "'; expected linear or circular.");
  }
  std::string_view name() const override { return "TensorScatter"; }
  std::string describe() const override { return mode_ + " axis=" + std::to_string(axis_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor &cache = in[0], &update = in[1];
    const int64_t rank = cache.dim(), axis = normalize_axis(axis_, rank);
    if (axis == 0) throw ModelError("axis is 0, the samples; expected another.");
    Tensor index = ramp(update.size(axis), axis, rank, cache);
    if (in.size() > 2 && in[2].defined()) {
      Ints shape(static_cast<size_t>(rank), 1);
      shape[0] = in[2].numel();
      index = index + beside(in[2], cache).reshape(shape);
    }
    if (mode_ == "circular") index = index.remainder(cache.size(axis));
    return {cache.scatter(axis, index.expand(update.sizes()), update)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }

 private:
  int64_t axis_;
  std::string mode_;
};

/// Reverses the first sequence_lens[b] entries of each sample b along time; the rest stays.
class ReverseSequence : public Operator {
 public:
  explicit ReverseSequence(const OperatorSpec& spec)
      : batch_axis_(spec.attributes().get_int("batch_axis", 1)),
        time_axis_(spec.attributes().get_int("time_axis", 0)) {}
  std::string_view name() const override { return "ReverseSequence"; }
  std::string describe() const override {
    return "batch_axis=" + std::to_string(batch_axis_) + " time_axis=" + std::to_string(time_axis_);
  }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const int64_t batch = normalize_axis(batch_axis_, x.dim()), time = normalize_axis(time_axis_, x.dim());
    if (batch == time || in[1].numel() != x.size(batch))
      throw ModelError("ReverseSequence got " + std::to_string(in[1].numel()) + " lengths for " + shape_text(x) +
                       "; expected one a sample along batch_axis " + std::to_string(batch) +
                       ", another than time_axis.");
    Ints shape(static_cast<size_t>(x.dim()), 1);
    shape[static_cast<size_t>(batch)] = x.size(batch);
    const Tensor length = beside(in[1], x).to(at::kLong).reshape(shape), step = ramp(x.size(time), time, x.dim(), x);
    const Tensor from = at::where(step.lt(length), length - 1 - step, step);
    return {at::gather(x, time, from.expand(x.sizes()))};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }

 private:
  int64_t batch_axis_, time_axis_;
};

/// The triangle of the last two axes above (or below) the k-th diagonal; zero elsewhere.
class Trilu : public Operator {
 public:
  explicit Trilu(const OperatorSpec& spec) : diagonal_(spec, 1), upper_(spec.attributes().get_int("upper", 1) != 0) {}
  std::string_view name() const override { return "Trilu"; }
  std::string describe() const override { return upper_ ? "upper" : "lower"; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const int64_t diagonal = diagonal_.present() ? diagonal_.number(in) : 0;
    return {upper_ ? at::triu(in[0], diagonal) : at::tril(in[0], diagonal)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }

 private:
  IntsArgument diagonal_;
  bool upper_;
};

/// Ones on the k-th diagonal of a matrix of the input's shape.
class EyeLike : public Operator {
 public:
  explicit EyeLike(const OperatorSpec& spec) : diagonal_(spec.attributes().get_int("k", 0)) {
    if (auto type = spec.attributes().find_int("dtype")) type_ = scalar_type(*type);
  }
  std::string_view name() const override { return "EyeLike"; }
  bool differentiable() const override { return false; }
  std::string describe() const override { return "k=" + std::to_string(diagonal_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    if (in[0].dim() != 2) throw ModelError("EyeLike got " + shape_text(in[0]) + "; expected a matrix.");
    const Tensor rows = ramp(in[0].size(0), 0, 2, in[0]), columns = ramp(in[0].size(1), 1, 2, in[0]);
    return {(columns - rows).eq(diagonal_).to(type_.value_or(in[0].scalar_type()))};
  }

 private:
  std::optional<at::ScalarType> type_;
  int64_t diagonal_;
};

/// One at the first largest value along the axis, zero elsewhere.
class Hardmax : public Operator {
 public:
  explicit Hardmax(const OperatorSpec& spec) : axis_(spec.attributes().get_int("axis", -1)) {}
  std::string_view name() const override { return "Hardmax"; }
  bool differentiable() const override { return false; }
  std::string describe() const override { return "axis=" + std::to_string(axis_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const int64_t axis = normalize_axis(axis_, in[0].dim());
    return {at::zeros_like(in[0]).scatter(axis, at::argmax(in[0], axis, /*keepdim=*/true), 1)};
  }

 private:
  int64_t axis_;
};

/// Crops or pads with zeros about the centre; of an odd difference the larger half is at the end.
class CenterCropPad : public Operator {
 public:
  explicit CenterCropPad(const OperatorSpec& spec) : shape_(spec, 1), axes_(spec.attributes().get_ints("axes")) {}
  std::string_view name() const override { return "CenterCropPad"; }
  std::string describe() const override { return describe_constant("shape", shape_); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    Tensor x = in[0];
    const Ints wanted = shape_.get(in).value_or(Ints());
    Ints axes = axes_;
    if (axes.empty()) {
      axes.resize(static_cast<size_t>(x.dim()));
      std::iota(axes.begin(), axes.end(), 0);
    }
    if (wanted.size() != axes.size())
      throw ModelError("CenterCropPad got " + std::to_string(wanted.size()) + " sizes for " +
                       std::to_string(axes.size()) + " axes.");
    Ints shape = x.sizes().vec();
    for (size_t i = 0; i < axes.size(); ++i) {
      axes[i] = normalize_axis(axes[i], x.dim());
      shape[static_cast<size_t>(axes[i])] = wanted[i];
    }
    check_result_shape(shape);
    for (size_t i = 0; i < axes.size(); ++i) {
      const int64_t missing = wanted[i] - x.size(axes[i]);
      if (missing < 0) x = x.narrow(axes[i], -missing / 2, wanted[i]);
      if (missing > 0) {
        Ints padding(2 * static_cast<size_t>(x.dim() - axes[i]), 0);  // ATen lists the last axis first
        padding[padding.size() - 2] = missing / 2;
        padding[padding.size() - 1] = missing - missing / 2;
        x = at::constant_pad_nd(x, padding);
      }
    }
    return {x};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }

 private:
  IntsArgument shape_;
  Ints axes_;
};

/// A box by its corners.
struct Box {
  float x0, y0, x1, y1;
  float area() const { return (x1 - x0) * (y1 - y0); }
};

float intersection_over_union(const Box& a, const Box& b) {
  const float width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  const float height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (width <= 0 || height <= 0) return 0;
  const float common = width * height, all = a.area() + b.area() - common;
  return a.area() > 0 && b.area() > 0 && all > 0 ? common / all : 0;
}

/// Of each class the boxes with the best scores that do not overlap a better one: rows {sample, class, box}.
class NonMaxSuppression : public Operator {
 public:
  explicit NonMaxSuppression(const OperatorSpec& spec)
      : most_(spec, 2), by_centre_(spec.attributes().get_int("center_point_box", 0) != 0) {}
  std::string_view name() const override { return "NonMaxSuppression"; }
  bool differentiable() const override { return false; }
  std::string describe() const override { return by_centre_ ? "center_point_box" : ""; }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor boxes = in[0].to(at::kCPU, at::kFloat).contiguous(),
                 scores = in[1].to(at::kCPU, at::kFloat).contiguous();
    if (boxes.dim() != 3 || boxes.size(2) != 4 || scores.dim() != 3 || scores.size(0) != boxes.size(0) ||
        scores.size(2) != boxes.size(1))
      throw ModelError("NonMaxSuppression got boxes " + shape_text(boxes) + " and scores " + shape_text(scores) +
                       "; expected [samples,boxes,4] and [samples,classes,boxes].");
    const int64_t most = most_.present() ? most_.number(in) : 0;
    const std::optional<float> overlap = number(in, 3), least = number(in, 4);
    Ints chosen;
    for (int64_t sample = 0; sample < scores.size(0); ++sample) {
      const std::vector<Box> candidates = read(boxes[sample]);
      for (int64_t kind = 0; kind < scores.size(1); ++kind)
        for (int64_t box : keep(candidates, scores[sample][kind], most, overlap.value_or(0), least))
          chosen.insert(chosen.end(), {sample, kind, box});
    }
    return {at::tensor(chosen, at::kLong).reshape({-1, 3})};
  }

 private:
  static std::optional<float> number(const Tensors& in, size_t i) {
    if (i >= in.size() || !in[i].defined() || in[i].numel() == 0) return std::nullopt;
    return to_scalar(in[i]).to<float>();
  }

  std::vector<Box> read(const Tensor& boxes) const {
    std::vector<Box> result;
    const float* v = boxes.const_data_ptr<float>();
    for (int64_t i = 0; i < boxes.size(0); ++i, v += 4)
      result.push_back(
          by_centre_ ? Box{v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2}
                     : Box{std::min(v[1], v[3]), std::min(v[0], v[2]), std::max(v[1], v[3]), std::max(v[0], v[2])});
    return result;
  }

  static Ints keep(const std::vector<Box>& boxes, const Tensor& scores, int64_t most, float overlap,
                   std::optional<float> least) {
    const float* score = scores.const_data_ptr<float>();
    Ints order;
    for (int64_t i = 0; i < scores.numel(); ++i)
      if (!std::isnan(score[i]) && (!least || score[i] > *least)) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score[a] > score[b]; });
    Ints kept;
    for (int64_t i : order) {
      if (static_cast<int64_t>(kept.size()) >= most) break;
      const bool free = std::none_of(kept.begin(), kept.end(), [&](int64_t better) {
        return intersection_over_union(boxes[static_cast<size_t>(i)], boxes[static_cast<size_t>(better)]) > overlap;
      });
      if (free) kept.push_back(i);
    }
    return kept;
  }

  IntsArgument most_;
  bool by_centre_;
};

}  // namespace

void register_selection(OperatorRegistry& registry) {
  registry.add("OneHot", make_operator<OneHot>, 3);
  registry.add("NonZero", make_operator<NonZero>);
  registry.add("Compress", make_operator<Compress>, 2);
  registry.add("ScatterElements", make_operator<ScatterElements>, 3);
  registry.add("TensorScatter", make_operator<TensorScatter>, 2);
  registry.add("ReverseSequence", make_operator<ReverseSequence>, 2);
  registry.add("Trilu", make_operator<Trilu>);
  registry.add("EyeLike", make_operator<EyeLike>);
  registry.add("Hardmax", make_operator<Hardmax>);
  registry.add("CenterCropPad", make_operator<CenterCropPad>, 2);
  registry.add("NonMaxSuppression", make_operator<NonMaxSuppression>, 2);
}

}  // namespace vitrail
