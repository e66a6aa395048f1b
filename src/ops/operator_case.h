#pragma once

// For tests: one operator with its attributes and inputs, run by its ONNX name, and its derivatives
// against central differences. With f(x) = <w, outputs(x)> for fixed random weights w,
//
//   first order    <grad f(x), v>            against  (f(x + h v) - f(x - h v)) / 2h
//   second order   <grad <u, grad f>(x), v>  against  (<u, grad f(x + h v)> - <u, grad f(x - h v)>) / 2h
//
// along random directions v over all floating inputs at once, in float64, where h = 1e-6 leaves about
// nine digits of the first and of the second.

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ops/registry.h"

namespace vitrail {

using NamedAttributes = std::vector<std::pair<std::string, AttributeValue>>;

struct OperatorCase {
  std::string op;
  NamedAttributes attributes;
  Tensors inputs;                  ///< undefined ones are absent
  size_t outputs = 1;              ///< how many the node asks for
  bool constants = false;          ///< inputs from the second on are constants of the file
  std::vector<size_t> fixed = {};  ///< inputs that are not differentiated (statistics, masks)

  std::unique_ptr<Operator> make() const {
    NodeSpec node;
    node.op_type = op;
    for (const auto& [name, value] : attributes) node.attributes.set(name, value);
    OperatorSpec spec{node, {}};
    for (size_t i = 0; i < inputs.size(); ++i) {
      node.inputs.push_back(inputs[i].defined() ? "in" + std::to_string(i) : "");
      spec.constants.push_back(constants && i > 0 ? inputs[i] : Tensor());
    }
    for (size_t i = 0; i < outputs; ++i) node.outputs.push_back("out" + std::to_string(i));
    return OperatorRegistry::all().make(spec);
  }

  Tensors run() const { return make()->forward(inputs, RunContext{}); }
};

inline Tensor float_tensor(std::vector<double> values, Ints shape) {
  return at::tensor(values, at::kDouble).reshape(shape).to(at::kFloat);
}

inline Tensor int_tensor(Ints values) { return at::tensor(values, at::kLong); }

/// Standard normal float64.
inline Tensor noise(Ints shape) { return at::randn(shape, at::kDouble); }

inline void expect_values(const Tensor& found, const std::vector<double>& expected, const Ints& shape) {
  ASSERT_EQ(found.sizes().vec(), shape);
  const Tensor flat = found.to(at::kDouble).contiguous().flatten();
  ASSERT_EQ(flat.numel(), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(flat[static_cast<int64_t>(i)].item<double>(), expected[i], 1e-5) << "value " << i;
  }
}

/// The largest difference between two tensors of one shape.
inline double distance(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.sizes().vec(), b.sizes().vec());
  return a.numel() == 0 ? 0 : (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

namespace derivative {

inline double dot(const Tensors& a, const Tensors& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] * b[i]).sum().item<double>();
  return sum;
}

inline Tensors noise_like(const Tensors& like) {
  Tensors result;
  for (const Tensor& t : like) result.push_back(noise(t.sizes().vec()));
  return result;
}

/// f and its derivatives as functions of the differentiated inputs only.
class Scalar {
 public:
  explicit Scalar(const OperatorCase& given) : case_(given), op_(given.make()) {
    for (size_t i = 0; i < case_.inputs.size(); ++i) {
      const Tensor& x = case_.inputs[i];
      const bool fixed = std::find(case_.fixed.begin(), case_.fixed.end(), i) != case_.fixed.end();
      if (x.defined() && x.is_floating_point() && !fixed) variables_.push_back(i);
    }
    for (const Tensor& y : op_->forward(case_.inputs, RunContext{})) {
      weights_.push_back(y.defined() && y.is_floating_point() ? noise(y.sizes().vec()) : Tensor());
    }
  }

  Tensors point() const {
    Tensors x;
    for (size_t i : variables_) x.push_back(case_.inputs[i].detach());
    return x;
  }

  Tensor value(const Tensors& x) const {
    Tensors in = case_.inputs;
    for (size_t i = 0; i < x.size(); ++i) in[variables_[i]] = x[i];
    const Tensors out = op_->forward(in, RunContext{});
    Tensor sum = at::zeros_like(weights_[0]).sum();
    for (size_t i = 0; i < out.size(); ++i) {
      if (weights_[i].defined()) sum = sum + (out[i] * weights_[i]).sum();
    }
    return sum;
  }

  /// With `create_graph` the gradient can be differentiated again; `x` must then require gradients.
  Tensors gradient(const Tensors& x, bool create_graph) const {
    return filled(torch::autograd::grad({value(x)}, x, {}, create_graph, create_graph, /*allow_unused=*/true), x);
  }

  static Tensors filled(Tensors gradients, const Tensors& x) {
    for (size_t i = 0; i < x.size(); ++i) {
      if (!gradients[i].defined()) gradients[i] = at::zeros_like(x[i]);
    }
    return gradients;
  }

 private:
  OperatorCase case_;
  std::unique_ptr<Operator> op_;
  std::vector<size_t> variables_;
  Tensors weights_;
};

inline Tensors leaves(const Tensors& x, const Tensors& direction, double step) {
  Tensors moved;
  for (size_t i = 0; i < x.size(); ++i) moved.push_back((x[i] + direction[i] * step).detach().requires_grad_());
  return moved;
}

}  // namespace derivative

/// The operators that expect_derivatives was called on so far; derivatives_test.cpp looks for the forgotten ones.
inline std::set<std::string>& operators_with_derivatives() {
  static std::set<std::string> names;
  return names;
}

/// Checks the first and the second derivatives of an operator at its (float64) inputs.
inline void expect_derivatives(const OperatorCase& given) {
  using namespace derivative;
  operators_with_derivatives().insert(given.op);
  SCOPED_TRACE(given.op + " " + given.make()->describe());
  const Scalar f(given);
  const Tensors x = f.point(), u = noise_like(x);
  constexpr double h = 1e-6;
  for (int trial = 0; trial < 3; ++trial) {
    const Tensors v = noise_like(x), up = leaves(x, v, h), down = leaves(x, v, -h), here = leaves(x, v, 0);
    const auto close = [](double found, double expected, const char* order) {
      EXPECT_NEAR(found, expected, 1e-5 * (1 + std::abs(expected))) << order << " order";
    };
    close(dot(f.gradient(here, false), v), (f.value(up) - f.value(down)).item<double>() / (2 * h), "first");

    const Tensors gradient = f.gradient(here, true);
    Tensor slope = at::zeros_like(gradient[0]).sum();
    for (size_t i = 0; i < gradient.size(); ++i) slope = slope + (gradient[i] * u[i]).sum();
    Tensors curvature = Tensors(x.size());
    if (slope.requires_grad()) curvature = torch::autograd::grad({slope}, here, {}, false, false, true);
    close(dot(Scalar::filled(curvature, here), v),
          (dot(f.gradient(up, false), u) - dot(f.gradient(down, false), u)) / (2 * h), "second");
  }
}

}  // namespace vitrail
