#pragma once

// Networks as files, small enough to be worked out beside, and their probes.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <vitrail/method.h>
#include <vitrail/model.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "support/onnx_builder.h"

namespace vitrail {

/// Float32 of this shape, of both signs, different everywhere, of root mean square `size`.
inline Tensor waves(std::vector<int64_t> shape, double frequency, double size = 0.3) {
  int64_t count = 1;
  for (const int64_t n : shape) count *= n;
  return at::arange(count, at::kDouble).add(0.5).mul(frequency).sin().mul(1.4 * size).to(at::kFloat).view(shape);
}

inline Model load(const testing::OnnxBuilder& net) { return Model::load(net.save(), {.preprocess = "unit"}); }

inline std::vector<Target> classes(const std::vector<int64_t>& indices) {
  std::vector<Target> targets;
  for (const int64_t index : indices) {
    Target& target = targets.emplace_back();
    target.string = std::to_string(index);
    target.index = index;
  }
  return targets;
}

inline std::vector<Explanation> explain_by(const std::string& method, const Model& model, const Tensor& input,
                                           const std::vector<int64_t>& indices = {1}, const Execution& execution = {}) {
  return parse_method(method)->explain(*model.probe(classes(indices)), input, execution);
}

struct ConvNetOptions {
  bool biases = true;
  std::string activation = "Relu";  ///< or "Clip": to [0, 0.5]
  bool batch_norm = false;          ///< after every convolution; else merged into it
  bool reuse = false;               ///< the first activation is added to the second
};

/// x [N,3,8,8] -> conv -> activation -> MaxPool -> conv -> activation -> GlobalAveragePool -> Gemm -> y [N,4]
inline testing::OnnxBuilder conv_net(const ConvNetOptions& options = {}) {
  using Sizes = std::vector<int64_t>;
  testing::OnnxBuilder net;
  net.input("x", {-1, 3, 8, 8});
  std::string value = "x";
  int64_t channels = 3;
  for (const std::string& n : std::vector<std::string>{"1", "2"}) {
    const int64_t wide = 6;
    const Tensor weight = waves({wide, channels, 3, 3}, n == "1" ? 0.9 : 1.7);
    const Tensor bias = waves({wide}, 2.1, options.biases ? 0.2 : 0);
    const Tensor gamma = waves({wide}, 0.8) + 1, beta = waves({wide}, 1.1, options.biases ? 0.2 : 0);
    const Tensor mean = waves({wide}, 0.6, options.biases ? 0.3 : 0), variance = waves({wide}, 1.9).abs() + 0.5;
    const Tensor scale = gamma / (variance + 1e-5).sqrt();
    if (options.batch_norm) {
      net.initializer("w" + n, weight).initializer("b" + n, bias);
    } else {
      net.initializer("w" + n, weight * scale.view({-1, 1, 1, 1})).initializer("b" + n, (bias - mean) * scale + beta);
    }
    net.node("Conv", {value, "w" + n, "b" + n}, {"c" + n}).attribute("pads", Sizes{1, 1, 1, 1});
    value = "c" + n;
    if (options.batch_norm) {
      net.initializer("g" + n, gamma)
          .initializer("e" + n, beta)
          .initializer("m" + n, mean)
          .initializer("v" + n, variance);
      net.node("BatchNormalization", {value, "g" + n, "e" + n, "m" + n, "v" + n}, {"n" + n})
          .attribute("epsilon", 1e-5f);
      value = "n" + n;
    }
    if (options.activation == "Clip") {
      net.initializer("low" + n, at::zeros({})).initializer("high" + n, at::ones({}) * 0.5);
      net.node("Clip", {value, "low" + n, "high" + n}, {"a" + n});
    } else {
      net.node(options.activation, {value}, {"a" + n});
    }
    value = "a" + n;
    if (n == "1") {
      net.node("MaxPool", {value}, {"p"}).attribute("kernel_shape", Sizes{2, 2}).attribute("strides", Sizes{2, 2});
      value = "p";
    }
    channels = wide;
  }
  if (options.reuse) {
    net.node("Add", {value, "p"}, {"sum"});
    value = "sum";
  }
  net.node("GlobalAveragePool", {value}, {"pooled"}).node("Flatten", {"pooled"}, {"flat"});
  net.initializer("head", waves({4, 6}, 1.3, 0.8)).initializer("head_bias", waves({4}, 1.4, options.biases ? 0.2 : 0));
  net.node("Gemm", {"flat", "head", "head_bias"}, {"y"}).attribute("transB", int64_t{1});
  net.output("y");
  return net;
}

inline Tensor photo8() { return waves({1, 3, 8, 8}, 0.37, 0.7); }

struct VitOptions {
  int64_t layers = 2, heads = 2;
  bool class_token = true;  ///< in front, and read; else the mean over tokens is read
  bool norms = true;        ///< LayerNormalization and GELU
};

/// x [N,3,8,8] -> patches of 2 x 2 [N,16,8] -> pre-norm transformer layers -> y [N,4]
inline testing::OnnxBuilder vit(const VitOptions& options = {}) {
  using Sizes = std::vector<int64_t>;
  constexpr int64_t wide = 8;
  const int64_t size = wide / options.heads, tokens = options.class_token ? 17 : 16;
  testing::OnnxBuilder net;
  const auto shape = [](const Sizes& sizes) { return at::tensor(sizes, at::kLong); };
  net.input("x", {-1, 3, 8, 8})
      .initializer("patch", waves({wide, 3, 2, 2}, 0.9))
      .initializer("patch_bias", waves({wide}, 0.4));
  net.node("Conv", {"x", "patch", "patch_bias"}, {"planes"}).attribute("strides", Sizes{2, 2});
  net.initializer("rows", shape({0, wide, -1})).node("Reshape", {"planes", "rows"}, {"columns"});
  net.node("Transpose", {"columns"}, {"patches"}).attribute("perm", Sizes{0, 2, 1});
  std::string value = "patches";
  if (options.class_token) {
    net.initializer("class", waves({1, 1, wide}, 0.8)).initializer("pads", shape({0, 1, 0, 0, 0, 0}));
    net.node("Pad", {"patches", "pads"}, {"padded"});
    net.initializer("class_row", at::cat({waves({1, 1, wide}, 0.8), at::zeros({1, tokens - 1, wide})}, 1));
    net.node("Add", {"padded", "class_row"}, {"tokens"});
    value = "tokens";
  }
  const auto dense = [&](const std::string& from, const std::string& name, int64_t in, int64_t out, double frequency) {
    net.initializer(name + "_w", waves({in, out}, frequency))
        .initializer(name + "_b", waves({out}, frequency + 0.3, 0.1));
    net.node("MatMul", {from, name + "_w"}, {name + "_m"}).node("Add", {name + "_m", name + "_b"}, {name});
    return name;
  };
  const auto norm = [&](const std::string& from, const std::string& name) {
    if (!options.norms) return from;
    net.initializer(name + "_g", waves({wide}, 0.5) + 1).initializer(name + "_e", waves({wide}, 0.7, 0.1));
    net.node("LayerNormalization", {from, name + "_g", name + "_e"}, {name}).attribute("axis", int64_t{-1});
    return name;
  };
  net.initializer("split", shape({0, tokens, options.heads, size})).initializer("join", shape({0, tokens, wide}));
  net.initializer("scale", at::full({}, 1 / std::sqrt(static_cast<double>(size)), at::kFloat));
  for (int64_t l = 0; l < options.layers; ++l) {
    const std::string n = std::to_string(l);
    const std::string normed = norm(value, "n" + n);
    const auto heads = [&](const std::string& name, double frequency, const Sizes& order) {
      net.node("Reshape", {dense(normed, name + n, wide, wide, frequency), "split"}, {name + n + "_s"});
      net.node("Transpose", {name + n + "_s"}, {name + n + "_h"}).attribute("perm", order);
      return name + n + "_h";
    };
    const std::string q = heads("q", 0.31, {0, 2, 1, 3}), k = heads("k", 0.53, {0, 2, 3, 1}),
                      v = heads("v", 0.77, {0, 2, 1, 3});
    net.node("MatMul", {q, k}, {"qk" + n})
        .node("Mul", {"qk" + n, "scale"}, {"s" + n})
        .node("Softmax", {"s" + n}, {"p" + n});
    net.node("MatMul", {"p" + n, v}, {"o" + n + "_h"});
    net.node("Transpose", {"o" + n + "_h"}, {"o" + n + "_t"}).attribute("perm", Sizes{0, 2, 1, 3});
    net.node("Reshape", {"o" + n + "_t", "join"}, {"o" + n});
    net.node("Add", {value, dense("o" + n, "proj" + n, wide, wide, 0.67)}, {"r" + n});
    value = "r" + n;
    const std::string hidden = dense(norm(value, "m" + n), "up" + n, wide, 2 * wide, 0.43);
    net.node(options.norms ? "Gelu" : "Relu", {hidden}, {"act" + n});
    net.node("Add", {value, dense("act" + n, "down" + n, 2 * wide, wide, 0.29)}, {"t" + n});
    value = "t" + n;
  }
  if (options.class_token) {
    net.initializer("zero", at::zeros({}, at::kLong))
        .node("Gather", {value, "zero"}, {"read"})
        .attribute("axis", int64_t{1});
  } else {
    net.initializer("token_axis", shape({1}))
        .node("ReduceMean", {value, "token_axis"}, {"read"})
        .attribute("keepdims", int64_t{0});
  }
  net.initializer("head", waves({4, wide}, 1.3, 0.8)).initializer("head_bias", waves({4}, 1.4, 0.2));
  net.node("Gemm", {"read", "head", "head_bias"}, {"y"}).attribute("transB", int64_t{1}).output("y");
  return net;
}

}  // namespace vitrail
