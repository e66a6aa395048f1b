// Elementwise operators are rows of a table: a name, a function on tensors, and whether its gradient is
// more than zero almost everywhere.

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/acos.h>
#include <ATen/ops/acosh.h>
#include <ATen/ops/add.h>
#include <ATen/ops/asin.h>
#include <ATen/ops/asinh.h>
#include <ATen/ops/atan.h>
#include <ATen/ops/atanh.h>
#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/bitwise_left_shift.h>
#include <ATen/ops/bitwise_not.h>
#include <ATen/ops/bitwise_or.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/bitwise_xor.h>
#include <ATen/ops/ceil.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/cosh.h>
#include <ATen/ops/div.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/fmod.h>
#include <ATen/ops/isinf.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/log.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/remainder.h>
#include <ATen/ops/round.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sign.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/sinh.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/tan.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include "ops/arguments.h"
#include "ops/registry.h"
#include "ops/relevance.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);
using Variadic = Tensor (*)(const Tensors&);

struct UnaryRow {
  const char* name;
  Unary function;
  bool differentiable = true;
};

/// log(1 + e^x); beyond 40 it is x in every type.
Tensor soft_plus(const Tensor& x) { return at::softplus(x, 1, 40); }

const UnaryRow kUnary[] = {
    {"Abs", [](const Tensor& x) { return at::abs(x); }},
    {"Acos", [](const Tensor& x) { return at::acos(x); }},
    {"Acosh", [](const Tensor& x) { return at::acosh(x); }},
    {"Asin", [](const Tensor& x) { return at::asin(x); }},
    {"Asinh", [](const Tensor& x) { return at::asinh(x); }},
    {"Atan", [](const Tensor& x) { return at::atan(x); }},
    {"Atanh", [](const Tensor& x) { return at::atanh(x); }},
    {"BitwiseNot", [](const Tensor& x) { return at::bitwise_not(x); }, false},
    {"Ceil", [](const Tensor& x) { return at::ceil(x); }, false},
    {"Cos", [](const Tensor& x) { return at::cos(x); }},
    {"Cosh", [](const Tensor& x) { return at::cosh(x); }},
    {"Erf", [](const Tensor& x) { return at::erf(x); }},
    {"Exp", [](const Tensor& x) { return at::exp(x); }},
    {"Floor", [](const Tensor& x) { return at::floor(x); }, false},
    {"Identity", [](const Tensor& x) { return x; }},
    {"IsNaN", [](const Tensor& x) { return at::isnan(x); }, false},
    {"Log", [](const Tensor& x) { return at::log(x); }},
    {"Mish",
     [](const Tensor& x) {
       return x * at::tanh(soft_plus(x));
     }},  // written out: ATen's kernel has no second derivative
    {"Neg", [](const Tensor& x) { return at::neg(x); }},
    {"Reciprocal", [](const Tensor& x) { return at::reciprocal(x); }},
    {"Round", [](const Tensor& x) { return at::round(x); }, false},  // half to even, as ONNX asks
    {"Sigmoid", [](const Tensor& x) { return at::sigmoid(x); }},
    {"Sign", [](const Tensor& x) { return at::sign(x); }, false},
    {"Sin", [](const Tensor& x) { return at::sin(x); }},
    {"Sinh", [](const Tensor& x) { return at::sinh(x); }},
    {"Softplus", [](const Tensor& x) { return soft_plus(x); }},
    {"Softsign", [](const Tensor& x) { return x / (at::abs(x) + 1); }},
    {"Sqrt", [](const Tensor& x) { return at::sqrt(x); }},
    {"Tan", [](const Tensor& x) { return at::tan(x); }},
    {"Tanh", [](const Tensor& x) { return at::tanh(x); }},
};

struct BinaryRow {
  const char* name;
  Binary function;
  bool differentiable = true;
};

/// Integers truncate toward zero. The smallest one by -1 has no quotient in its type, and the processor stops
/// the program at it: dividing by -1 is a negation, which wraps.
Tensor divide(const Tensor& a, const Tensor& b) {
  if (!at::isIntegralType(a.scalar_type(), false)) return at::div(a, b);
  if (b.scalar_type() == at::kByte) return at::div(a, b, "trunc");
  const Tensor negates = b.eq(-1);
  return at::where(negates, at::neg(a), at::div(a, b.masked_fill(negates, 1), "trunc"));
}

/// The result has the type of the base, whatever the exponent's.
Tensor power(const Tensor& base, const Tensor& exponent) {
  const Tensor e = at::isIntegralType(base.scalar_type(), false) && at::isFloatingType(exponent.scalar_type())
                       ? exponent
                       : exponent.to(base.scalar_type());
  if (e.numel() == 1 && e.dim() <= base.dim() && !e.requires_grad())
    return at::pow(base, e.item()).to(base.scalar_type());
  return at::pow(base, e).to(base.scalar_type());
}

const BinaryRow kBinary[] = {
    {"Add", [](const Tensor& a, const Tensor& b) { return at::add(a, b); }},
    {"Sub", [](const Tensor& a, const Tensor& b) { return at::sub(a, b); }},
    {"Mul", [](const Tensor& a, const Tensor& b) { return at::mul(a, b); }},
    {"Div", divide},
    {"Pow", power},
    {"BitwiseAnd", [](const Tensor& a, const Tensor& b) { return at::bitwise_and(a, b); }, false},
    {"BitwiseOr", [](const Tensor& a, const Tensor& b) { return at::bitwise_or(a, b); }, false},
    {"BitwiseXor", [](const Tensor& a, const Tensor& b) { return at::bitwise_xor(a, b); }, false},
};

Tensor fold(const Tensors& in, Binary step) {
  Tensor result = in.at(0);
  for (size_t i = 1; i < in.size(); ++i) result = step(result, in[i]);
  return result;
}

Tensor sum(const Tensors& in) {
  return fold(in, [](const Tensor& a, const Tensor& b) { return at::add(a, b); });
}

struct VariadicRow {
  const char* name;
  Variadic function;
};

const VariadicRow kVariadic[] = {
    {"Max",
     [](const Tensors& in) { return fold(in, [](const Tensor& a, const Tensor& b) { return at::maximum(a, b); }); }},
    {"Min",
     [](const Tensors& in) { return fold(in, [](const Tensor& a, const Tensor& b) { return at::minimum(a, b); }); }},
    {"Sum", sum},
    {"Mean", [](const Tensors& in) { return sum(in) / static_cast<double>(in.size()); }},
};

/// The numerator takes all; a constant over something is a function of that.
Relevance relevance_of_quotient(const RelevanceCall& call) {
  if (!call.wanted[0]) return relevance_of_activation(call);
  if (!call.wanted[1]) return relevance_of_linear(call);
  if (call.deeplift()) return relevance_of_rest(call);
  const std::vector<bool> numerator = {true, false};
  Relevance result =
      relevance_of_linear({call.op, call.in, call.out, call.arrived, numerator, call.rule, call.context});
  result.sent[1] = at::zeros_like(call.in[1]);
  return result;
}

/// One operator of the tables, with any number of inputs.
class Elementwise : public Operator {
 public:
  Elementwise(const char* name, std::function<Tensor(const Tensors&)> function, bool differentiable)
      : name_(name), function_(std::move(function)), differentiable_(differentiable) {}

  std::string_view name() const override { return name_; }
  bool differentiable() const override { return differentiable_; }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    // Constants that are integers or scalars may lie on the CPU beside data on another device.
    const Tensor* device = &in[0];
    for (const Tensor& x : in)
      if (!x.is_cpu()) device = &x;
    Tensors operands;
    for (const Tensor& x : in) {
      const bool is_number = x.dim() == 0 && x.is_floating_point();  // ATen hands it to its kernels as an argument
      operands.push_back(is_number ? x : computable(beside(x, *device)));
    }
    const bool widened = operands[0].scalar_type() != in[0].scalar_type();
    const Tensor result = function_(operands);
    return {widened ? result.to(in[0].scalar_type()) : result};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    const std::string_view what = name_;
    if (what == "Add" || what == "Sub" || what == "Sum" || what == "Mean") return relevance_of_linear(call, true);
    if (what == "Mul") return relevance_of_product(call);
    if (what == "Max" || what == "Min") return relevance_of_winner(call, what == "Max");
    return what == "Div" ? relevance_of_quotient(call) : relevance_of_activation(call);
  }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  std::string name_;
  std::function<Tensor(const Tensors&)> function_;
  bool differentiable_;
};

class Mod : public Operator {
 public:
  explicit Mod(const OperatorSpec& spec) : fmod_(spec.attributes().get_int("fmod", 0) != 0) {}
  std::string_view name() const override { return "Mod"; }
  std::string describe() const override { return fmod_ ? "fmod" : ""; }

  /// The sign of the divisor, or of the dividend with fmod.
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor dividend = computable(in[0]), divisor = computable(beside(in[1], in[0]));
    return {(fmod_ ? at::fmod(dividend, divisor) : at::remainder(dividend, divisor)).to(in[0].scalar_type())};
  }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  bool fmod_;
};

class IsInf : public Operator {
 public:
  explicit IsInf(const OperatorSpec& spec)
      : negative_(spec.attributes().get_int("detect_negative", 1) != 0),
        positive_(spec.attributes().get_int("detect_positive", 1) != 0) {}
  std::string_view name() const override { return "IsInf"; }
  bool differentiable() const override { return false; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    Tensor found = at::isinf(in[0]);
    if (!negative_) found = found.logical_and(in[0].ge(0));
    if (!positive_) found = found.logical_and(in[0].lt(0));
    return {found};
  }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  bool negative_, positive_;
};

/// Of unsigned integers. Shifting all bits out leaves none: ATen's kernels promise nothing there.
class BitShift : public Operator {
 public:
  explicit BitShift(const OperatorSpec& spec) : direction_(spec.attributes().get_string("direction", "")) {
    if (direction_ != "LEFT" && direction_ != "RIGHT")
      throw ModelError("direction is '" + direction_ + "'; expected LEFT or RIGHT.");
  }
  std::string_view name() const override { return "BitShift"; }
  bool differentiable() const override { return false; }
  std::string describe() const override { return direction_; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor x = computable(in[0]), by = computable(beside(in[1], in[0]));
    const Tensor shifted = direction_ == "LEFT" ? at::bitwise_left_shift(x, by) : at::bitwise_right_shift(x, by);
    const auto bits = static_cast<int64_t>(8 * in[0].element_size());
    return {at::where(by.lt(bits), shifted, at::zeros_like(shifted)).to(in[0].scalar_type())};
  }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  std::string direction_;
};

}  // namespace

void register_elementwise(OperatorRegistry& registry) {
  for (const UnaryRow& row : kUnary)
    registry.add(row.name, [row](const OperatorSpec&) {
      return std::make_unique<Elementwise>(
          row.name, [f = row.function](const Tensors& in) { return f(in[0]); }, row.differentiable);
    });
  for (const BinaryRow& row : kBinary)
    registry.add(
        row.name,
        [row](const OperatorSpec&) {
          return std::make_unique<Elementwise>(
              row.name, [f = row.function](const Tensors& in) { return f(in[0], in[1]); }, row.differentiable);
        },
        2);
  for (const VariadicRow& row : kVariadic)
    registry.add(
        row.name, [row](const OperatorSpec&) { return std::make_unique<Elementwise>(row.name, row.function, true); },
        OperatorRegistry::all_inputs);
  registry.add("Mod", make_operator<Mod>, 2);
  registry.add("IsInf", make_operator<IsInf>);
  registry.add("BitShift", make_operator<BitShift>, 2);
}

}  // namespace vitrail
