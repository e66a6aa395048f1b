#pragma once

// For tests: one operator with its attributes and inputs, run by its ONNX name, and its derivatives
// against central differences. With f(x) = <w, outputs(x)> for fixed random weights w,
//
//   first order    <grad f(x), v>            against  (f(x + h v) - f(x - h v)) / 2h
//   second order   <grad <u, grad f>(x), v>  against  (<u, grad f(x + h v)> - <u, grad f(x - h v)>) / 2h
//
// along random directions v over all floating inputs at once, in float64, where h = 1e-6 leaves about
// nine digits of the first and of the second. And what the operator sends back on a reverse walk: by the plain rule the
// gradient, by DeepLIFT multipliers that add up to the change of the outputs.

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
#include "ops/relevance.h"

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

  /// One an output; undefined where that is not floating.
  const Tensors& weights() const { return weights_; }

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

/// One step of a reverse walk from the outputs, weighted, to the differentiated inputs.
class Step {
 public:
  Step(const OperatorCase& given, Tensors weights) : case_(given), op_(given.make()), weights_(std::move(weights)) {
    out_ = op_->forward(case_.inputs, context_);
    weights_.resize(out_.size());
    for (size_t i = 0; i < case_.inputs.size(); ++i) {
      const Tensor& x = case_.inputs[i];
      const bool fixed = std::find(case_.fixed.begin(), case_.fixed.end(), i) != case_.fixed.end();
      wanted_.push_back(x.defined() && x.is_floating_point() && !fixed);
    }
  }

  RelevanceCall call(LayerRule rule = {}) const {
    return {*op_, case_.inputs, out_, weights_, wanted_, std::move(rule), context_};
  }
  const Tensors& out() const { return out_; }
  const std::vector<bool>& wanted() const { return wanted_; }
  Relevance relevance(LayerRule rule = {}) const { return op_->relevance(call(std::move(rule))); }

  /// DeepLIFT's multipliers from a baseline of the inputs. Integrals by Simpson's rule, with many intervals because
  /// integrands jump.
  Relevance multipliers(const Tensors& base_in) const {
    constexpr int intervals = 200;
    PathRule path;
    for (int i = 0; i <= intervals; ++i)
      path.emplace_back(double(i) / intervals, (i == 0 || i == intervals ? 1.
                                                : i % 2 == 1             ? 4.
                                                                         : 2.) /
                                                   (3 * intervals));
    const Tensors base_out = op_->forward(base_in, context_);
    RelevanceCall step = call();
    step.base_in = &base_in;
    step.base_out = &base_out;
    step.path = &path;
    return op_->relevance(step);
  }

 private:
  OperatorCase case_;
  std::unique_ptr<Operator> op_;
  RunContext context_;
  Tensors weights_, out_;
  std::vector<bool> wanted_;
};

inline double sum_of_products(const Tensors& a, const Tensors& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].defined() && b[i].defined()) sum += (a[i] * b[i]).sum().item<double>();
  return sum;
}

}  // namespace derivative

inline void expect_reverse_step(const OperatorCase& given) {
  using namespace derivative;
  const Scalar f(given);
  const Step step(given, f.weights());
  const Tensors x = f.point(), gradient = f.gradient(leaves(x, x, 0), false);
  const Tensors pulled = pull_back(step.call(), f.weights());
  Tensors base = given.inputs, change(base.size());
  for (size_t i = 0, k = 0; i < base.size(); ++i) {
    EXPECT_EQ(pulled[i].defined(), step.wanted()[i]) << "input " << i;
    if (!step.wanted()[i]) continue;
    EXPECT_LE(distance(pulled[i], gradient[k++]), 1e-12) << "the plain rule, input " << i;
    change[i] = base[i] * 0.1;
    base[i] = base[i] - change[i];
  }
  const Tensors there = given.make()->forward(base, RunContext{});
  double expected = 0;
  for (size_t k = 0; k < there.size(); ++k)
    if (f.weights()[k].defined()) expected += (f.weights()[k] * (step.out()[k] - there[k])).sum().item<double>();
  if (!std::isfinite(expected)) return;  // the baseline left the operator's domain
  const Relevance found = step.multipliers(base);
  const double tolerance = found.rule == "path" ? 0.02 : 1e-9;  // an average over places does not see jumps
  EXPECT_NEAR(sum_of_products(found.sent, change), expected, tolerance * (1 + std::abs(expected)))
      << "DeepLIFT by " << found.rule;
}

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
  expect_reverse_step(given);
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
