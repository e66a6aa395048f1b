// Elementwise operators are rows of a table: a name, a function on tensors, and whether its gradient is
// more than zero almost everywhere.

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/ceil.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/div.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/fmod.h>
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
#include <ATen/ops/sqrt.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>

#include "ops/arguments.h"
#include "ops/registry.h"
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

const UnaryRow kUnary[] = {
    {"Abs", [](const Tensor& x) { return at::abs(x); }},
    {"Ceil", [](const Tensor& x) { return at::ceil(x); }, false},
    {"Cos", [](const Tensor& x) { return at::cos(x); }},
    {"Erf", [](const Tensor& x) { return at::erf(x); }},
    {"Exp", [](const Tensor& x) { return at::exp(x); }},
    {"Floor", [](const Tensor& x) { return at::floor(x); }, false},
    {"Identity", [](const Tensor& x) { return x; }},
    {"Log", [](const Tensor& x) { return at::log(x); }},
    {"Neg", [](const Tensor& x) { return at::neg(x); }},
    {"Reciprocal", [](const Tensor& x) { return at::reciprocal(x); }},
    {"Round", [](const Tensor& x) { return at::round(x); }, false},  // half to even, as ONNX asks
    {"Sigmoid", [](const Tensor& x) { return at::sigmoid(x); }},
    {"Sign", [](const Tensor& x) { return at::sign(x); }, false},
    {"Sin", [](const Tensor& x) { return at::sin(x); }},
    {"Sqrt", [](const Tensor& x) { return at::sqrt(x); }},
    {"Tanh", [](const Tensor& x) { return at::tanh(x); }},
};

struct BinaryRow {
  const char* name;
  Binary function;
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
    for (const Tensor& x : in) operands.push_back(computable(beside(x, *device)));
    const bool widened = operands[0].scalar_type() != in[0].scalar_type();
    const Tensor result = function_(operands);
    return {widened ? result.to(in[0].scalar_type()) : result};
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

 private:
  bool fmod_;
};

}  // namespace

void register_elementwise(OperatorRegistry& registry) {
  for (const UnaryRow& row : kUnary)
    registry.add(row.name, [row](const OperatorSpec&) {
      return std::make_unique<Elementwise>(
          row.name, [f = row.function](const Tensors& in) { return f(in[0]); }, row.differentiable);
    });
  for (const BinaryRow& row : kBinary)
    registry.add(row.name, [row](const OperatorSpec&) {
      return std::make_unique<Elementwise>(
          row.name, [f = row.function](const Tensors& in) { return f(in[0], in[1]); }, true);
    });
  for (const VariadicRow& row : kVariadic)
    registry.add(row.name,
                 [row](const OperatorSpec&) { return std::make_unique<Elementwise>(row.name, row.function, true); });
  registry.add("Mod", make_operator<Mod>);
}

}  // namespace vitrail
