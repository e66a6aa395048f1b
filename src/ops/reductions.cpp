// Reductions over axes, and what ranks or accumulates along one.

#include <ATen/TensorOperators.h>
#include <ATen/ops/all.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/any.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/argmin.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/div.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/prod.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "ops/arguments.h"
#include "ops/registry.h"
#include "ops/relevance.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

struct Row {
  const char* name;
  /// Reduces over `axes` (at least one), keeping them with size one.
  Tensor (*reduce)(const Tensor& x, const Ints& axes);
};

/// The largest value of an empty set is the smallest there is.
Tensor extreme_of_nothing(const Tensor& x, const Ints& axes, bool lowest) {
  Ints sizes = x.sizes().vec();
  for (int64_t axis : axes) sizes[axis] = 1;
  if (at::isFloatingType(x.scalar_type())) {
    const double infinity = std::numeric_limits<double>::infinity();
    return at::full(sizes, lowest ? -infinity : infinity, x.options());
  }
  if (x.scalar_type() == at::kBool) return at::full(sizes, !lowest, x.options());
  throw ModelError("the extreme of an empty integer tensor is not defined here.");
}

Tensor maximum(const Tensor& x, const Ints& axes) {
  if (x.numel() == 0) return extreme_of_nothing(x, axes, true);
  return x.scalar_type() == at::kBool ? at::amax(x.to(at::kByte), axes, true).to(at::kBool) : at::amax(x, axes, true);
}

Tensor minimum(const Tensor& x, const Ints& axes) {
  if (x.numel() == 0) return extreme_of_nothing(x, axes, false);
  return x.scalar_type() == at::kBool ? at::amin(x.to(at::kByte), axes, true).to(at::kBool) : at::amin(x, axes, true);
}

Tensor product(const Tensor& x, const Ints& axes) {
  Tensor result = x;
  for (int64_t axis : axes) result = at::prod(result, axis, true);
  return result.to(x.scalar_type());
}

Tensor mean(const Tensor& x, const Ints& axes) {
  if (at::isFloatingType(x.scalar_type())) return at::mean(x, axes, true);
  int64_t count = 1;
  for (int64_t axis : axes) count *= x.size(axis);
  return at::div(at::sum(x, axes, true), count, "trunc").to(x.scalar_type());
}

/// Integers are computed in float64 and become integers again.
template <class Function>
Tensor in_floating(const Tensor& x, const Function& function) {
  return at::isFloatingType(x.scalar_type()) ? function(x) : function(x.to(at::kDouble)).to(x.scalar_type());
}

Tensor norm(const Tensor& x, const Ints& axes) {
  return in_floating(x, [&](const Tensor& wide) { return at::sqrt(at::sum(wide * wide, axes, true)); });
}

const Row kRows[] = {
    {"ReduceMean", mean},
    {"ReduceSum", [](const Tensor& x, const Ints& axes) { return at::sum(x, axes, true).to(x.scalar_type()); }},
    {"ReduceMax", maximum},
    {"ReduceMin", minimum},
    {"ReduceProd", product},
    {"ReduceL1", [](const Tensor& x, const Ints& axes) { return at::sum(x.abs(), axes, true).to(x.scalar_type()); }},
    {"ReduceL2", norm},
    {"ReduceLogSum",
     [](const Tensor& x, const Ints& axes) {
       return in_floating(x, [&](const Tensor& wide) { return at::log(at::sum(wide, axes, true)); });
     }},
    {"ReduceLogSumExp",
     [](const Tensor& x, const Ints& axes) {
       return in_floating(x, [&](const Tensor& wide) { return at::logsumexp(wide, axes, true); });
     }},
    {"ReduceSumSquare",
     [](const Tensor& x, const Ints& axes) { return at::sum(x * x, axes, true).to(x.scalar_type()); }},
};

class Reduction : public Operator {
 public:
  Reduction(const Row& row, const OperatorSpec& spec)
      : row_(row),
        axes_(spec, 1),
        keep_dims_(spec.attributes().get_int("keepdims", 1) != 0),
        noop_when_empty_(spec.attributes().get_int("noop_with_empty_axes", 0) != 0) {}
  std::string_view name() const override { return row_.name; }
  std::string describe() const override {
    return (axes_.constant() ? "axes=" + join(*axes_.constant()) : std::string("axes=all")) +
           (keep_dims_ ? " keepdims" : "");
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    Ints axes = axes_.get(in).value_or(Ints());
    if (axes.empty()) {
      if (noop_when_empty_) return {noop(x)};
      axes.resize(x.dim());
      std::iota(axes.begin(), axes.end(), 0);
    }
    for (int64_t& axis : axes) axis = normalize_axis(axis, x.dim());
    if (axes.empty()) return {noop(x)};  // a scalar is its own reduction
    Tensor y = row_.reduce(x, axes);
    if (!keep_dims_) {
      Ints sizes;
      for (int64_t i = 0; i < x.dim(); ++i)
        if (std::find(axes.begin(), axes.end(), i) == axes.end()) sizes.push_back(x.size(i));
      y = y.reshape(sizes);
    }
    return {y};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    const std::string_view what = row_.name;
    if (what == "ReduceMean" || what == "ReduceSum") return relevance_of_linear(call);
    if (what == "ReduceMax" || what == "ReduceMin") return relevance_of_winner(call, what == "ReduceMax");
    return relevance_of_rest(call);
  }
  /// The axes that stay, each by itself.
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    Locality locality = Locality::everything(out.size());
    if (input != 0) return locality;
    if (axes_.present() && !axes_.constant()) return locality;
    Ints axes = axes_.constant().value_or(Ints());
    if (axes.empty() && noop_when_empty_) return Locality::elementwise(in[0].sizes().vec(), out);
    if (axes.empty()) return locality;
    for (int64_t& axis : axes) axis = normalize_axis(axis, in[0].dim());
    locality.by_parts = true;
    size_t next = 0;
    for (int64_t axis = 0; axis < in[0].dim(); ++axis) {
      const bool goes = std::find(axes.begin(), axes.end(), axis) != axes.end();
      if (!goes) locality.axes[next] = AxisReach::same(axis);
      next += keep_dims_ || !goes;
    }
    return locality;
  }

 private:
  /// Each value by itself: the reduction over an axis of size one, which for a norm still takes the absolute value.
  Tensor noop(const Tensor& x) const { return row_.reduce(x.unsqueeze(0), {0}).squeeze(0); }

  const Row& row_;
  IntsArgument axes_;
  bool keep_dims_, noop_when_empty_;
};

/// The index of the extreme along an axis; of equal ones the first, or the last on request.
class ArgExtreme : public Operator {
 public:
  ArgExtreme(bool largest, const OperatorSpec& spec)
      : largest_(largest),
        axis_(spec.attributes().get_int("axis", 0)),
        keep_dims_(spec.attributes().get_int("keepdims", 1) != 0),
        last_(spec.attributes().get_int("select_last_index", 0) != 0) {}
  std::string_view name() const override { return largest_ ? "ArgMax" : "ArgMin"; }
  bool differentiable() const override { return false; }
  std::string describe() const override { return "axis=" + std::to_string(axis_); }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const int64_t axis = normalize_axis(axis_, in[0].dim());
    const Tensor x = last_ ? at::flip(in[0], {axis}) : in[0];
    const Tensor index = largest_ ? at::argmax(x, axis, keep_dims_) : at::argmin(x, axis, keep_dims_);
    return {last_ ? x.size(axis) - 1 - index : index};
  }

 private:
  bool largest_;
  int64_t axis_;
  bool keep_dims_, last_;
};

class TopK : public Operator {
 public:
  explicit TopK(const OperatorSpec& spec)
      : k_(spec, 1),
        axis_(spec.attributes().get_int("axis", -1)),
        largest_(spec.attributes().get_int("largest", 1) != 0) {}
  std::string_view name() const override { return "TopK"; }
  std::string describe() const override { return "axis=" + std::to_string(axis_); }

  // A stable sort, so that of equal values the first comes first; top-k of ATen promises no order of ties.
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const int64_t axis = normalize_axis(axis_, in[0].dim()), k = k_.number(in);
    if (k < 0 || k > in[0].size(axis))
      throw ModelError("TopK asks for " + std::to_string(k) + " of " + std::to_string(in[0].size(axis)) + " values.");
    auto [values, indices] = in[0].sort(/*stable=*/true, axis, /*descending=*/largest_);
    return {values.narrow(axis, 0, k), indices.narrow(axis, 0, k)};
  }
  // Of the values; where the ranking is another at the baseline only an average over the way there is complete.
  Relevance relevance(const RelevanceCall& call) const override {
    return call.deeplift() ? relevance_of_rest(call) : relevance_of_moves(call);
  }

 private:
  IntsArgument k_;
  int64_t axis_;
  bool largest_;
};

class CumSum : public Operator {
 public:
  explicit CumSum(const OperatorSpec& spec)
      : axis_(spec, 1),
        exclusive_(spec.attributes().get_int("exclusive", 0) != 0),
        reverse_(spec.attributes().get_int("reverse", 0) != 0) {}
  std::string_view name() const override { return "CumSum"; }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    const int64_t axis = normalize_axis(axis_.number(in), in[0].dim());
    const Tensor x = reverse_ ? at::flip(in[0], {axis}) : in[0];
    Tensor y = at::cumsum(x, axis, x.scalar_type());
    if (exclusive_ && x.size(axis) > 0)  // moved on by one: subtracting x would cancel small terms beside large ones
      y = at::cat({at::zeros_like(y.narrow(axis, 0, 1)), y.narrow(axis, 0, x.size(axis) - 1)}, axis);
    return {reverse_ ? at::flip(y, {axis}) : y};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_linear(call); }

 private:
  IntsArgument axis_;
  bool exclusive_, reverse_;
};

}  // namespace

void register_reductions(OperatorRegistry& registry) {
  for (const Row& row : kRows)
    registry.add(row.name, [&row](const OperatorSpec& spec) { return std::make_unique<Reduction>(row, spec); });
  registry.add("ArgMax", [](const OperatorSpec& spec) { return std::make_unique<ArgExtreme>(true, spec); });
  registry.add("ArgMin", [](const OperatorSpec& spec) { return std::make_unique<ArgExtreme>(false, spec); });
  registry.add("TopK", make_operator<TopK>, 2);
  registry.add("CumSum", make_operator<CumSum>, 2);
}

}  // namespace vitrail
