// Comparisons, logic and selection.

#include <ATen/ops/eq.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/le.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/logical_xor.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/where.h>

#include "ops/arguments.h"
#include "ops/registry.h"
#include "ops/relevance.h"

namespace vitrail {
namespace {

struct Row {
  const char* name;
  Tensor (*function)(const Tensor&, const Tensor&);
};

const Row kRows[] = {
    {"Equal", [](const Tensor& a, const Tensor& b) { return at::eq(a, b); }},
    {"Less", [](const Tensor& a, const Tensor& b) { return at::lt(a, b); }},
    {"LessOrEqual", [](const Tensor& a, const Tensor& b) { return at::le(a, b); }},
    {"Greater", [](const Tensor& a, const Tensor& b) { return at::gt(a, b); }},
    {"GreaterOrEqual", [](const Tensor& a, const Tensor& b) { return at::ge(a, b); }},
    {"And", [](const Tensor& a, const Tensor& b) { return at::logical_and(a, b); }},
    {"Or", [](const Tensor& a, const Tensor& b) { return at::logical_or(a, b); }},
    {"Xor", [](const Tensor& a, const Tensor& b) { return at::logical_xor(a, b); }},
};

class Comparison : public Operator {
 public:
  explicit Comparison(const Row& row) : row_(row) {}
  std::string_view name() const override { return row_.name; }
  bool differentiable() const override { return false; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& data = in[0].is_cpu() ? in[1] : in[0];
    return {row_.function(computable(beside(in[0], data)), computable(beside(in[1], data)))};
  }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }

 private:
  const Row& row_;
};

class Not : public Operator {
 public:
  explicit Not(const OperatorSpec&) {}
  std::string_view name() const override { return "Not"; }
  bool differentiable() const override { return false; }
  Tensors forward(const Tensors& in, const RunContext&) const override { return {at::logical_not(in[0])}; }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }
};

/// Selects; what is not selected does not matter, not even NaN.
class Where : public Operator {
 public:
  explicit Where(const OperatorSpec&) {}
  std::string_view name() const override { return "Where"; }
  Tensors forward(const Tensors& in, const RunContext&) const override {
    const Tensor& data = in[1].is_cpu() ? in[2] : in[1];
    return {at::where(beside(in[0], data), beside(in[1], data), beside(in[2], data))};
  }
  Relevance relevance(const RelevanceCall& call) const override { return relevance_of_moves(call); }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    return Locality::elementwise(in[input].sizes().vec(), out);
  }
};

}  // namespace

void register_logic(OperatorRegistry& registry) {
  for (const Row& row : kRows)
    registry.add(row.name, [&row](const OperatorSpec&) { return std::make_unique<Comparison>(row); }, 2);
  registry.add("Not", make_operator<Not>);
  registry.add("Where", make_operator<Where>, 3);
}

}  // namespace vitrail
