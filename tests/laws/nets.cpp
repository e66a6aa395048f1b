#include "laws/nets.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <string>
#include <vector>

#include "attribution/perturbation/scorers_for_tests.h"
#include "support/onnx_builder.h"

namespace vitrail::laws {

namespace {

using testing::OnnxBuilder;

constexpr int64_t width = 6;           // channels of the convolutional net
constexpr int64_t dim = 8, heads = 2;  // of the transformer

Tensor values(std::vector<int64_t> shape, double frequency, double scale) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return wave(1, 1, count, frequency).view(shape).mul(scale).contiguous();
}

Tensor integers(std::vector<int64_t> numbers) { return at::tensor(numbers, at::kLong); }

/// [classes,features]: the third row is 2 (first) - 3 (second).
Tensor head(int64_t features, double scale) {
  Tensor weights = values({classes, features}, 1.3, scale);
  weights[2] = weights[0] * 2 - weights[1] * 3;
  return weights;
}
Tensor head_bias(double scale) {
  Tensor bias = values({classes}, 0.9, 0.2 * scale);
  bias[2] = bias[0] * 2 - bias[1] * 3;
  return bias;
}

Model load(const OnnxBuilder& net) { return Model::load(net.save(), {.preprocess = "raw"}); }

/// Convolution and normalization, [width,in,3,3].
class ConvBlocks {
 public:
  ConvBlocks(OnnxBuilder& net, const CnnOptions& options) : net_(net), options_(options) {}

  std::string conv_norm(const std::string& name, const std::string& from, Tensor weights) {
    if (options_.mirrored) weights = weights.flip(3);
    if (options_.symmetric) weights = (weights + weights.flip(3)) / 2;
    const double frequency = static_cast<double>(name.back() - '0');
    const Tensor scale = values({width}, 0.7 * frequency, 0.3) + 1, shift = values({width}, 1.1 * frequency, 0.3),
                 mean = values({width}, 1.9 * frequency, 0.2), variance = values({width}, 2.3 * frequency, 0.2) + 0.8;
    const Tensor factor = scale / (variance + 1e-5).sqrt();
    if (options_.folded_norm) {
      conv(name, from, weights * factor.view({-1, 1, 1, 1}), shift - mean * factor);
      return name;
    }
    conv(name, from, weights, at::zeros({width}));
    const std::string out = name + "_norm";
    for (const auto& [suffix, value] : {std::pair{"s", scale}, {"b", shift}, {"m", mean}, {"v", variance}})
      net_.initializer(out + suffix, value);
    net_.node("BatchNormalization", {name, out + "s", out + "b", out + "m", out + "v"}, {out});
    return out;
  }

  std::string relu(const std::string& from, const std::string& to) {
    if (options_.relu_as_max) {
      net_.initializer(to + "_zero", at::zeros({1}));
      net_.node("Max", {from, to + "_zero"}, {to});
    } else {
      net_.node("Relu", {from}, {to});
    }
    return to;
  }

 private:
  void conv(const std::string& name, const std::string& from, const Tensor& weights, const Tensor& bias) {
    const bool split = options_.split_conv && name == "c2";
    const int64_t pieces = split ? 2 : 1;
    std::vector<std::string> outputs;
    for (int64_t i = 0; i < pieces; ++i) {
      const std::string out = split ? name + "_part" + std::to_string(i) : name;
      net_.initializer(out + "_w", weights.chunk(pieces)[static_cast<size_t>(i)].contiguous());
      net_.initializer(out + "_b", bias.chunk(pieces)[static_cast<size_t>(i)].contiguous());
      net_.node("Conv", {from, out + "_w", out + "_b"}, {out}).attribute("pads", std::vector<int64_t>{1, 1, 1, 1});
      outputs.push_back(out);
    }
    if (split) net_.node("Concat", outputs, {name}).attribute("axis", int64_t{1});
  }

  OnnxBuilder& net_;
  const CnnOptions& options_;
};

}  // namespace

Model cnn(const CnnOptions& options) {
  OnnxBuilder net;
  net.input("x", {-1, 3, side, side});
  std::string x = "x";
  if (options.identity_first) net.node("Identity", {x}, {"id"}), x = "id";
  if (options.half_unused) {
    Tensor read = at::zeros({1, 1, 1, side});
    read.narrow(3, 0, side / 2).fill_(1);
    net.initializer("read", read).node("Mul", {x, "read"}, {"seen"});
    x = "seen";
  }
  Tensor first = values({width, 3, 3, 3}, 0.9, 0.5);
  if (options.channels_swapped) first = first.flip(1);
  ConvBlocks blocks(net, options);
  const std::string r1 = blocks.relu(blocks.conv_norm("c1", x, first), "r1");
  const std::string c2 = blocks.conv_norm("c2", r1, values({width, width, 3, 3}, 1.7, 0.3));
  net.node("Add", {c2, r1}, {"sum"});
  blocks.relu("sum", "r2");
  const double scale = options.constant ? 0 : options.confidence;
  net.node("GlobalAveragePool", {"r2"}, {"pooled"}).node("Flatten", {"pooled"}, {"flat"});
  net.initializer("head", head(width, scale)).initializer("head_bias", head_bias(options.confidence));
  net.node("Gemm", {"flat", "head", "head_bias"}, {"logits"}).attribute("transB", int64_t{1}).output("logits");
  return load(net);
}

namespace {

class Blocks {
 public:
  Blocks(OnnxBuilder& net, bool spelled_out) : net_(net), spelled_out_(spelled_out) {}

  std::string linear(const std::string& from, const std::string& to, int64_t in, int64_t out, double frequency) {
    net_.initializer(to + "_w", values({in, out}, frequency, 0.5))
        .initializer(to + "_b", values({out}, frequency, 0.1));
    net_.node("MatMul", {from, to + "_w"}, {to + "_product"}).node("Add", {to + "_product", to + "_b"}, {to});
    return to;
  }

  std::string norm(const std::string& from, const std::string& to) {
    net_.initializer(to + "_s", values({dim}, 0.7, 0.2) + 1).initializer(to + "_t", values({dim}, 1.1, 0.1));
    if (!spelled_out_) {
      net_.node("LayerNormalization", {from, to + "_s", to + "_t"}, {to})
          .attribute("axis", int64_t{-1})
          .attribute("epsilon", 1e-5F);
      return to;
    }
    net_.initializer(to + "_last", integers({-1})).initializer(to + "_two", at::tensor({2.0F}));
    net_.initializer(to + "_eps", at::tensor({1e-5F}));
    net_.node("ReduceMean", {from, to + "_last"}, {to + "_mean"}).node("Sub", {from, to + "_mean"}, {to + "_d"});
    net_.node("Pow", {to + "_d", to + "_two"}, {to + "_d2"})
        .node("ReduceMean", {to + "_d2", to + "_last"}, {to + "_var"});
    net_.node("Add", {to + "_var", to + "_eps"}, {to + "_v"}).node("Sqrt", {to + "_v"}, {to + "_sd"});
    net_.node("Div", {to + "_d", to + "_sd"}, {to + "_n"}).node("Mul", {to + "_n", to + "_s"}, {to + "_scaled"});
    net_.node("Add", {to + "_scaled", to + "_t"}, {to});
    return to;
  }

  std::string gelu(const std::string& from, const std::string& to) {
    if (!spelled_out_) {
      net_.node("Gelu", {from}, {to});
      return to;
    }
    net_.initializer(to + "_root", at::tensor({1.41421356F})).initializer(to + "_one", at::tensor({1.0F}));
    net_.initializer(to + "_half", at::tensor({0.5F}));
    net_.node("Div", {from, to + "_root"}, {to + "_z"}).node("Erf", {to + "_z"}, {to + "_e"});
    net_.node("Add", {to + "_e", to + "_one"}, {to + "_p"}).node("Mul", {from, to + "_p"}, {to + "_q"});
    net_.node("Mul", {to + "_q", to + "_half"}, {to});
    return to;
  }

  std::string attention(const std::string& from, const std::string& to) {
    net_.initializer(to + "_split", integers({0, -1, heads, dim / heads}))
        .initializer(to + "_join", integers({0, -1, dim}));
    const auto head_of = [&](const std::string& name, double frequency, std::vector<int64_t> order) {
      const std::string value = linear(from, to + name, dim, dim, frequency);
      net_.node("Reshape", {value, to + "_split"}, {value + "_heads"});
      net_.node("Transpose", {value + "_heads"}, {value + "_t"}).attribute("perm", order);
      return value + "_t";
    };
    const std::string q = head_of("_q", 0.9, {0, 2, 1, 3}), k = head_of("_k", 1.3, {0, 2, 3, 1}),
                      v = head_of("_v", 1.9, {0, 2, 1, 3});
    net_.initializer(to + "_scale", at::tensor({0.5F}));
    net_.node("MatMul", {q, k}, {to + "_qk"}).node("Mul", {to + "_qk", to + "_scale"}, {to + "_scores"});
    net_.node("Softmax", {to + "_scores"}, {to + "_weights"}).attribute("axis", int64_t{-1});
    net_.node("MatMul", {to + "_weights", v}, {to + "_mixed"});
    net_.node("Transpose", {to + "_mixed"}, {to + "_back"}).attribute("perm", std::vector<int64_t>{0, 2, 1, 3});
    net_.node("Reshape", {to + "_back", to + "_join"}, {to + "_joined"});
    return linear(to + "_joined", to, dim, dim, 2.3);
  }

 private:
  OnnxBuilder& net_;
  bool spelled_out_;
};

}  // namespace

Model vit(bool spelled_out) {
  OnnxBuilder net;
  Blocks blocks(net, spelled_out);
  net.input("x", {-1, 3, side, side});
  net.initializer("patch_w", values({dim, 3, 3, 3}, 0.9, 0.5)).initializer("patch_b", values({dim}, 1.7, 0.1));
  net.node("Conv", {"x", "patch_w", "patch_b"}, {"patches"})
      .attribute("kernel_shape", std::vector<int64_t>{3, 3})
      .attribute("strides", std::vector<int64_t>{3, 3});
  net.initializer("flat_shape", integers({0, dim, -1})).node("Reshape", {"patches", "flat_shape"}, {"flat"});
  net.node("Transpose", {"flat"}, {"patch_tokens"}).attribute("perm", std::vector<int64_t>{0, 2, 1});
  // The class token, once a sample.
  net.initializer("zero", integers({0}))
      .initializer("one", integers({1}))
      .initializer("token_shape", integers({1, dim}));
  net.initializer("class_token", values({1, 1, dim}, 2.9, 0.5));
  net.node("Shape", {"x"}, {"sizes"}).node("Slice", {"sizes", "zero", "one"}, {"batch"});
  net.node("Concat", {"batch", "token_shape"}, {"class_shape"}).attribute("axis", int64_t{0});
  net.node("Expand", {"class_token", "class_shape"}, {"class_tokens"});
  net.node("Concat", {"class_tokens", "patch_tokens"}, {"tokens"}).attribute("axis", int64_t{1});
  net.initializer("place", values({1, 17, dim}, 0.31, 0.3)).node("Add", {"tokens", "place"}, {"placed"});

  const std::string mixed = blocks.attention(blocks.norm("placed", "norm1"), "attention");
  net.node("Add", {"placed", mixed}, {"attended"});
  const std::string hidden = blocks.linear(blocks.norm("attended", "norm2"), "mlp_in", dim, 2 * dim, 0.83);
  const std::string mlp = blocks.linear(blocks.gelu(hidden, "gelu"), "mlp_out", 2 * dim, dim, 1.57);
  net.node("Add", {"attended", mlp}, {"block"});
  blocks.norm("block", "last_norm");
  net.initializer("first", at::tensor(0, at::kLong)).node("Gather", {"last_norm", "first"}, {"feature"});
  net.attribute("axis", int64_t{1});
  net.initializer("head", head(dim, 1)).initializer("head_bias", head_bias(1));
  net.node("Gemm", {"feature", "head", "head_bias"}, {"logits"}).attribute("transB", int64_t{1}).output("logits");
  return load(net);
}

Tensor photo(double frequency) { return wave(3, side, side, frequency).unsqueeze(0); }

}  // namespace vitrail::laws
