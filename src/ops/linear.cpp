// Products of matrices.

#include <ATen/TensorOperators.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/matmul.h>

#include <algorithm>

#include "ops/registry.h"
#include "ops/weighted_relevance.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

class MatMul : public Operator {
 public:
  explicit MatMul(const OperatorSpec&) {}
  std::string_view name() const override { return "MatMul"; }
  Tensors forward(const Tensors& in, const RunContext&) const override { return {at::matmul(in[0], in[1])}; }
  Relevance relevance(const RelevanceCall& call) const override {
    return relevance_of_weights(
        call, {call.in[1], {}, [](const Tensor& x, const Tensor& weight) { return at::matmul(x, weight); }});
  }
  /// Rows of the first and columns of the second stay apart, and the axes in front of them.
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    Locality locality = Locality::everything(out.size());
    if (in[0].dim() < 2 || in[1].dim() < 2) return locality;
    Ints sizes = in[input].sizes().vec();
    sizes[sizes.size() - (input == 0 ? 1 : 2)] = 0;  // what is summed over follows nothing
    return Locality::elementwise(sizes, out);
  }
};

/// alpha A' B' + beta C
class Gemm : public Operator {
 public:
  explicit Gemm(const OperatorSpec& spec)
      : alpha_(spec.attributes().get_float("alpha", 1)),
        beta_(spec.attributes().get_float("beta", 1)),
        transpose_a_(spec.attributes().get_int("transA", 0) != 0),
        transpose_b_(spec.attributes().get_int("transB", 0) != 0) {}
  std::string_view name() const override { return "Gemm"; }
  std::string describe() const override {
    return std::string(transpose_a_ ? "transA " : "") + (transpose_b_ ? "transB" : "");
  }

  Tensors forward(const Tensors& in, const RunContext&) const override {
    Tensor product = at::matmul(transpose_a_ ? in[0].t() : in[0], transpose_b_ ? in[1].t() : in[1]);
    if (alpha_ != 1) product = (product * alpha_).to(product.scalar_type());
    if (in.size() < 3 || !in[2].defined()) return {product};
    return {product + (beta_ == 1 ? in[2] : (in[2] * beta_).to(product.scalar_type()))};
  }
  Relevance relevance(const RelevanceCall& call) const override {
    const Tensor bias = call.in.size() > 2 && call.in[2].defined() ? call.in[2] * beta_ : Tensor();
    return relevance_of_weights(call, {call.in[1] * alpha_, bias, [this](const Tensor& x, const Tensor& weight) {
                                         return at::matmul(transpose_a_ ? x.t() : x,
                                                           transpose_b_ ? weight.t() : weight);
                                       }});
  }
  Locality locality(size_t input, size_t, const Tensors& in, const Ints& out) const override {
    if (input == 2) return Locality::elementwise(in[2].sizes().vec(), out);
    Locality locality = Locality::everything(2);
    locality.by_parts = true;
    if (input == 0) locality.axes[0] = AxisReach::same(transpose_a_ ? 1 : 0);
    if (input == 1) locality.axes[1] = AxisReach::same(transpose_b_ ? 0 : 1);
    return locality;
  }

 private:
  double alpha_, beta_;
  bool transpose_a_, transpose_b_;
};

class Einsum : public Operator {
 public:
  explicit Einsum(const OperatorSpec& spec) : equation_(spec.attributes().require_string("equation")) {
    std::erase(equation_, ' ');
  }
  std::string_view name() const override { return "Einsum"; }
  std::string describe() const override { return equation_; }
  Tensors forward(const Tensors& in, const RunContext&) const override { return {at::einsum(equation_, in)}; }
  Relevance relevance(const RelevanceCall& call) const override {
    return relevance_of_weights(
        call, {call.in.size() == 2 ? call.in[1] : Tensor(), {}, [this](const Tensor& x, const Tensor& weight) {
                 return at::einsum(equation_, {x, weight});
               }});
  }

 private:
  std::string equation_;
};

}  // namespace

void register_linear(OperatorRegistry& registry) {
  registry.add("MatMul", make_operator<MatMul>, 2);
  registry.add("Gemm", make_operator<Gemm>, 2);
  registry.add("Einsum", make_operator<Einsum>, OperatorRegistry::all_inputs);
}

}  // namespace vitrail
