// Operators that make tensors or change their type, and those that tell about shapes.

#include "ops/creation.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <array>

#include "ops/arguments.h"
#include "ops/registry.h"
#include "ops/relevance.h"
#include "vitrail/error.h"

namespace vitrail {

std::string BatchShape::describe() const {
  std::string text;
  for (size_t i = 0; i < fixed_.size(); ++i) {
    if (!text.empty()) text += ",";
    if (per_batch_[i] == 0) {
      text += std::to_string(fixed_[i]);
      continue;
    }
    text += per_batch_[i] == 1 ? "N" : std::to_string(per_batch_[i]) + "*N";
    if (fixed_[i] != 0) text += (fixed_[i] > 0 ? "+" : "") + std::to_string(fixed_[i]);
  }
  return text;
}

Tensors BatchShape::forward(const Tensors&, const RunContext& context) const {
  Ints values(fixed_);
  for (size_t i = 0; i < values.size(); ++i) values[i] += per_batch_[i] * context.batch;
  const Tensor list = at::tensor(values, at::kLong);
  return {scalar_ ? list.reshape({}) : list};
}

at::ScalarType scalar_type(int64_t onnx_type) {
  switch (onnx_type) {
    case 1:
      return at::kFloat;
    case 2:
      return at::kByte;
    case 3:
      return at::kChar;
    case 4:
      return at::kUInt16;
    case 5:
      return at::kShort;
    case 6:
      return at::kInt;
    case 7:
      return at::kLong;
    case 9:
      return at::kBool;
    case 10:
      return at::kHalf;
    case 11:
      return at::kDouble;
    case 12:
      return at::kUInt32;
    case 13:
      return at::kUInt64;
    case 16:
      return at::kBFloat16;
    default:
      throw ModelError("the ONNX data type " + std::to_string(onnx_type) +
                       " is not supported; expected a floating, integer or boolean type.");
  }
}

namespace {

/// Only the gradient through floating types exists.
bool keeps_gradient(at::ScalarType to) { return at::isFloatingType(to); }

class Cast : public Operator {
 public:
  explicit Cast(const OperatorSpec& spec) : to_(scalar_type(spec.attributes().require_int("to"))) {}
  std::string_view name() const override { return "Cast"; }
  bool differentiable() const override { return keeps_gradient(to_); }
  std::string describe() const override { return std::string("to=") + at::toString(to_); }
  Tensors forward(const Tensors& in, const RunContext&) const override { return {in[0].to(to_)}; }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  at::ScalarType to_;
};

class CastLike : public Operator {
 public:
  explicit CastLike(const OperatorSpec& spec)
      : differentiable_(!spec.constant(1).defined() || keeps_gradient(spec.constant(1).scalar_type())) {}
  std::string_view name() const override { return "CastLike"; }
  bool differentiable() const override { return differentiable_; }
  Tensors forward(const Tensors& in, const RunContext&) const override { return {in[0].to(in[1].scalar_type())}; }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }

 private:
  bool differentiable_;
};

class ConstantOfShape : public Operator {
 public:
  explicit ConstantOfShape(const OperatorSpec& spec) : shape_(spec, 0) {
    const auto value = spec.attributes().get_tensor("value");
    value_ = value ? value->reshape({}) : at::full({}, 0.0, at::kFloat);
  }
  std::string_view name() const override { return "ConstantOfShape"; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Ints shape = shape_.get(in).value();
    check_result_shape(shape);
    return {value_.expand(shape).contiguous()};
  }

 private:
  IntsArgument shape_;
  Tensor value_;
};

class Range : public Operator {
 public:
  explicit Range(const OperatorSpec&) {}
  std::string_view name() const override { return "Range"; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const at::Scalar first = to_scalar(in[0]), last = to_scalar(in[1]), by = to_scalar(in[2]);
    const double start = first.toDouble(), limit = last.toDouble(), step = by.toDouble();
    if (step == 0 || (limit - start) / step > static_cast<double>(kMostElements))
      throw ModelError("Range from " + std::to_string(start) + " to " + std::to_string(limit) + " by " +
                       std::to_string(step) + " is endless or too long.");
    if ((limit - start) / step <= 0) return {at::empty({0}, in[0].options())};
    return {at::arange(first, last, by, in[0].options())};
  }
};

class ShapeOf : public Operator {
 public:
  explicit ShapeOf(const OperatorSpec& spec)
      : start_(spec.attributes().get_int("start", 0)), end_(spec.attributes().find_int("end")) {}
  std::string_view name() const override { return "Shape"; }
  bool differentiable() const override { return false; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const int64_t rank = in[0].dim();
    auto position = [rank](int64_t i) { return std::clamp(i < 0 ? i + rank : i, int64_t{0}, rank); };
    const int64_t begin = position(start_), end = std::max(begin, position(end_.value_or(rank)));
    const auto sizes = in[0].sizes();
    return {at::tensor(Ints(sizes.begin() + begin, sizes.begin() + end), at::kLong)};
  }

 private:
  int64_t start_;
  std::optional<int64_t> end_;
};

class Size : public Operator {
 public:
  explicit Size(const OperatorSpec&) {}
  std::string_view name() const override { return "Size"; }
  bool differentiable() const override { return false; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    return {at::full({}, in[0].numel(), at::kLong)};
  }
};

}  // namespace

void register_creation(OperatorRegistry& registry) {
  registry.add("Cast", make_operator<Cast>);
  registry.add("CastLike", make_operator<CastLike>, 2);
  registry.add("ConstantOfShape", make_operator<ConstantOfShape>);
  registry.add("Range", make_operator<Range>, 3);
  registry.add("Shape", make_operator<ShapeOf>);
  registry.add("Size", make_operator<Size>);
}

}  // namespace vitrail
