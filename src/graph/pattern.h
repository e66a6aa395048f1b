#pragma once

// What the canonical rewrites ask of a draft.

#include <optional>
#include <string>
#include <unordered_map>

#include "graph/draft.h"
#include "ops/arguments.h"

namespace vitrail {

/// Questions about a draft, by value name.
class Pattern {
 public:
  explicit Pattern(Draft& draft) : draft_(draft) {
    for (size_t i = 0; i < draft.nodes.size(); ++i) {
      for (const std::string& output : draft.nodes[i].spec.outputs) producer_[output] = i;
      for (const std::string& input : draft.nodes[i].spec.inputs) ++uses_[input];
    }
    for (const OnnxValue& output : draft.outputs) ++uses_[output.name];
  }

  bool used_once(const std::string& value) const { return uses_.at(value) == 1; }

  /// The node that computes a value, or null.
  const NodeSpec* producer(const std::string& value) const {
    auto it = producer_.find(value);
    return it == producer_.end() ? nullptr : &draft_.nodes[it->second].spec;
  }
  const NodeSpec* producer(const std::string& value, const char* op_type) const {
    const NodeSpec* spec = producer(value);
    return spec && spec->op_type == op_type ? spec : nullptr;
  }

  const Tensor* constant(const std::string& value) const { return draft_.constant(value); }

  std::optional<double> scalar(const std::string& value) const {
    const Tensor* tensor = draft_.constant(value);
    if (!tensor || tensor->numel() != 1) return std::nullopt;
    return tensor->item().toDouble();
  }

  /// Of a two-input node with one constant scalar: the other input and the scalar.
  struct WithScalar {
    std::string value;
    double scalar;
  };
  std::optional<WithScalar> with_scalar(const NodeSpec* node) const {
    if (!node || node->inputs.size() != 2) return std::nullopt;
    for (int i : {0, 1})
      if (auto number = scalar(node->inputs[1 - i])) return WithScalar{node->inputs[i], *number};
    return std::nullopt;
  }

  /// value = x * factor, spelled as Mul or Div by a scalar; factor 1 where it is neither.
  WithScalar scaled(const std::string& value) const {
    if (auto product = with_scalar(producer(value, "Mul"))) return *product;
    if (const NodeSpec* node = producer(value, "Div"))
      if (auto divisor = scalar(node->inputs[1]); divisor && *divisor != 0) return {node->inputs[0], 1 / *divisor};
    return {value, 1};
  }

  /// The factors of nested products, scalars multiplied together.
  struct Product {
    double scalar = 1;
    std::vector<std::string> factors;
  };
  Product product(const std::string& value, int depth = 3) const {
    Product result;
    collect(value, depth, result);
    return result;
  }

  Shape shape(const std::string& value) const {
    if (const Tensor* tensor = constant(value)) {
      Shape shape;
      for (int64_t size : tensor->sizes()) shape.push_back({size, 0});
      return shape;
    }
    return draft_.traced.at(value).shape;
  }

  /// The axes of a ReduceMean with keepdims, counted from the front; empty where it is none.
  Ints mean_axes(const NodeSpec* node) const {
    if (!node || node->attributes.get_int("keepdims", 1) != 1 || node->inputs.size() < 2) return {};
    const Tensor* axes = constant(node->inputs[1]);
    if (!axes) return {};
    Ints result = to_ints(*axes);
    for (int64_t& axis : result) axis = normalize_axis(axis, shape(node->inputs[0]).size());
    return result;
  }

 private:
  void collect(const std::string& value, int depth, Product& result) const {
    if (auto number = scalar(value)) {
      result.scalar *= *number;
      return;
    }
    if (const NodeSpec* node = depth > 0 ? producer(value, "Mul") : nullptr) {
      collect(node->inputs[0], depth - 1, result);
      collect(node->inputs[1], depth - 1, result);
      return;
    }
    if (const NodeSpec* node = depth > 0 ? producer(value, "Div") : nullptr) {
      if (auto divisor = scalar(node->inputs[1]); divisor && *divisor != 0) {
        result.scalar /= *divisor;
        return collect(node->inputs[0], depth - 1, result);
      }
    }
    result.factors.push_back(value);
  }

  Draft& draft_;
  std::unordered_map<std::string, size_t> producer_;
  std::unordered_map<std::string, int> uses_;
};

}  // namespace vitrail
