// Numbers on an integer scale: q = clamp(round(x / scale) + zero_point), x' = (q - zero_point) scale. The scale and
// the zero point are one number, one a channel along `axis`, or one a block of `block_size` values along it.
//
// Quantised convolutions and products are lowered to these and to the floating operators when a file is read
// (onnx/adapters.cpp); a pair of QuantizeLinear and DequantizeLinear becomes QuantizeDequantize (graph/canonical.cpp),
// whose gradient passes straight through the rounding.

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/round.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "ops/arguments.h"
#include "ops/creation.h"
#include "ops/describe.h"
#include "ops/registry.h"
#include "ops/relevance.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

struct Range {
  int64_t low, high;
};

Range range_of(at::ScalarType type) {
  switch (type) {
    case at::kByte:
      return {0, 255};
    case at::kChar:
      return {-128, 127};
    case at::kUInt16:
      return {0, 65535};
    case at::kShort:
      return {-32768, 32767};
    default:
      throw ModelError(std::string("the quantised type is ") + at::toString(type) +
                       "; expected 8-bit or 16-bit integers.");
  }
}

/// How a scale or zero point spreads over the data.
class Spread {
 public:
  explicit Spread(const Attributes& attributes)
      : axis_(attributes.get_int("axis", 1)), block_(attributes.get_int("block_size", 0)) {
    if (block_ < 0) throw ModelError("block_size is " + std::to_string(block_) + "; expected a number from 0 up.");
  }

  /// Brought to a shape that broadcasts to x.
  Tensor operator()(const Tensor& parameter, const Tensor& x) const {
    const Tensor p = computable(beside(parameter, x));
    if (p.numel() == 1) return p.reshape({});
    const int64_t axis = normalize_axis(axis_, x.dim());
    if (block_ > 0 && p.dim() == x.dim() && p.size(axis) * block_ >= x.size(axis))
      return p.repeat_interleave(block_, axis).narrow(axis, 0, x.size(axis));
    if (p.dim() != 1 || p.size(0) != x.size(axis))
      throw ModelError("a scale or zero point has the shape " + shape_text(p) + " for data " + shape_text(x) +
                       "; expected one number, or one for each of the " + std::to_string(x.size(axis)) +
                       " along axis " + std::to_string(axis) + ".");
    Ints shape(static_cast<size_t>(x.dim()), 1);
    shape[static_cast<size_t>(axis)] = p.size(0);
    return p.reshape(shape);
  }

  std::string describe() const {
    return "axis=" + std::to_string(axis_) + (block_ > 0 ? " block_size=" + std::to_string(block_) : "");
  }

 private:
  int64_t axis_, block_;
};

bool has(const Tensors& in, size_t i) { return i < in.size() && in[i].defined(); }

/// What QuantizeLinear and QuantizeDequantize share.
class Quantizer {
 public:
  explicit Quantizer(const OperatorSpec& spec) : spread_(spec.attributes()) {
    // 0 is "undefined": the type of the zero point, or bytes.
    if (const int64_t type = spec.attributes().get_int("output_dtype", 0); type != 0) type_ = scalar_type(type);
  }

  at::ScalarType type(const Tensors& in) const { return has(in, 2) ? in[2].scalar_type() : type_.value_or(at::kByte); }
  const Spread& spread() const { return spread_; }

  /// The integers, as floating numbers.
  Tensor operator()(const Tensors& in) const {
    const Range range = range_of(type(in));
    return at::clamp(unclamped(in), range.low, range.high);
  }

  /// Before those outside the range of the type are brought to its ends.
  Tensor unclamped(const Tensors& in) const {
    const Tensor x = at::isFloatingType(in[0].scalar_type()) ? in[0] : in[0].to(at::kDouble);
    const Tensor q = at::round(x / spread_(in[1], x).to(x.scalar_type()));  // half to even
    return has(in, 2) ? q + spread_(in[2], x).to(x.scalar_type()) : q;
  }

 private:
  Spread spread_;
  std::optional<at::ScalarType> type_;
};

class QuantizeLinear : public Operator {
 public:
  explicit QuantizeLinear(const OperatorSpec& spec) : quantize_(spec) {}
  std::string_view name() const override { return "QuantizeLinear"; }
  bool differentiable() const override { return false; }
  std::string describe() const override { return quantize_.spread().describe(); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    return {quantize_(in).to(at::kInt).to(quantize_.type(in))};
  }

 private:
  Quantizer quantize_;
};

class DequantizeLinear : public Operator {
 public:
  explicit DequantizeLinear(const OperatorSpec& spec) : spread_(spec.attributes()) {
    if (const int64_t type = spec.attributes().get_int("output_dtype", 0); type != 0) type_ = scalar_type(type);
  }
  std::string_view name() const override { return "DequantizeLinear"; }
  bool differentiable() const override { return false; }
  std::string describe() const override { return spread_.describe(); }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const at::ScalarType type = in[1].scalar_type();
    Tensor x = in[0].to(type);
    if (has(in, 2)) x = x - spread_(in[2], x).to(type);
    return {(x * spread_(in[1], x)).to(type_.value_or(type))};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_linear(call); }

 private:
  Spread spread_;
  std::optional<at::ScalarType> type_;
};

/// x on its quantised scale, still a floating number: DequantizeLinear(QuantizeLinear(x)). The gradient passes
/// straight through where nothing was clamped: that of the rounding is zero and says nothing.
class QuantizeDequantize : public Operator {
 public:
  explicit QuantizeDequantize(const OperatorSpec& spec) : quantize_(spec) {}
  std::string_view name() const override { return "QuantizeDequantize"; }
  std::string describe() const override { return quantize_.spread().describe() + ", gradient straight through"; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const Tensor scale = quantize_.spread()(in[1], x), q = quantize_.unclamped(in).detach();
    const Tensor zero = has(in, 2) ? quantize_.spread()(in[2], x).to(x.scalar_type()) : at::zeros({}, x.options());
    const Range range = range_of(quantize_.type(in));
    const Tensor y = (q.clamp(range.low, range.high) - zero) * scale;
    const Tensor passes = q.ge(range.low).logical_and(q.le(range.high));
    return {y + at::where(passes, x - x.detach(), 0.0)};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_activation(call); }

 private:
  Quantizer quantize_;
};

/// To bytes, on the scale that the data itself spans. Outputs: integers, scale, zero point.
class DynamicQuantizeLinear : public Operator {
 public:
  explicit DynamicQuantizeLinear(const OperatorSpec&) {}
  std::string_view name() const override { return "DynamicQuantizeLinear"; }
  bool differentiable() const override { return false; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& x = in[0];
    const Tensor high = x.max().clamp_min(0), low = x.min().clamp_max(0), span = high - low;
    const Tensor scale = at::where(span.eq(0), 1.0, span).to(x.scalar_type()) / 255;
    const Tensor zero = at::round(at::clamp(-low / scale, 0, 255));
    const Tensor q = at::clamp(at::round(x / scale) + zero, 0, 255);
    return {q.to(at::kByte), scale, zero.to(at::kByte)};
  }
};

}  // namespace

void register_quantization(OperatorRegistry& registry) {
  registry.add("QuantizeLinear", make_operator<QuantizeLinear>, 2);
  registry.add("DequantizeLinear", make_operator<DequantizeLinear>, 2);
  registry.add("QuantizeDequantize", make_operator<QuantizeDequantize>, 2);
  registry.add("DynamicQuantizeLinear", make_operator<DynamicQuantizeLinear>);
}

}  // namespace vitrail
