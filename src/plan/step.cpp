#include "plan/step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/hardsigmoid.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>

#include <cmath>

#include "plan/direct.h"

namespace vitrail {
namespace {

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

/// True where writing into the tensor is seen by nobody else.
bool is_sole_owner(const Tensor& t) { return t.use_count() == 1 && t.storage().use_count() == 1; }

Tensor rounded(const Tensor& t, at::ScalarType precision) { return t.defined() ? t.to(precision).contiguous() : t; }

std::string describe_window(const Ints& kernel, const onednn::Window& window) {
  const auto times = [](const Ints& pair) { return std::to_string(pair[0]) + "x" + std::to_string(pair[1]); };
  std::string text = "oneDNN convolution " + times(kernel);
  if (window.stride != Ints{1, 1}) text += " stride " + times(window.stride);
  if (window.groups > 1) text += " groups " + std::to_string(window.groups);
  return text;
}

/// A layer by oneDNN itself.
class DirectStep : public Step {
 public:
  /// `input`: sizes of x.
  DirectStep(const Layer& layer, const Ints& input, at::ScalarType precision)
      : on_vectors_(is_on_vectors(layer, input)),
        layer_(on_vectors_ ? as_linear(layer) : layer, precision),
        to_channels_first_(layer.channels_first),
        details_(layer.kind == Layer::Kind::convolution && !on_vectors_
                     ? describe_window(layer.weight.sizes().slice(2).vec(), layer.window)
                     : "oneDNN matrix product") {}

  Tensors run(Tensors& in, const RunContext&) const override {
    const bool adds = in.size() > 1, may_overwrite = adds && is_sole_owner(in[1]);
    Tensor other = adds ? in[1] : Tensor();
    if (adds && to_channels_first_) other = other.permute({0, 2, 3, 1});
    if (on_vectors_) {
      const Tensor y = layer_.run(in[0].flatten(1), adds ? other.flatten(1) : other, may_overwrite);
      return {y.unsqueeze(-1).unsqueeze(-1)};
    }
    const Tensor y = layer_.run(in[0], other, may_overwrite);
    return {to_channels_first_ ? y.permute({0, 3, 1, 2}) : y};
  }

  std::string details() const override { return details_; }
  int64_t bytes() const override { return layer_.bytes(); }

 private:
  /// A 1x1 convolution of 1x1 images: one matrix product over the batch reads the weight once for all.
  static bool is_on_vectors(const Layer& layer, const Ints& input) {
    return layer.kind == Layer::Kind::convolution && layer.weight.size(2) == 1 && layer.weight.size(3) == 1 &&
           layer.window.groups == 1 && input[2] == 1 && input[3] == 1 && layer.window.padding == Ints{0, 0} &&
           layer.window.end_padding == Ints{0, 0};
  }

  static Layer as_linear(Layer layer) {
    layer.kind = Layer::Kind::linear;
    layer.weight = layer.weight.flatten(1);
    return layer;
  }

  bool on_vectors_;
  onednn::DirectLayer layer_;
  bool to_channels_first_;
  std::string details_;
};

class ConvolutionStep : public Step {
 public:
  ConvolutionStep(const Layer& layer, const Ints& input_size, at::ScalarType precision)
      : kernel_(layer.weight.sizes().slice(2).vec()),
        input_padding_(layer.input_padding),
        window_(layer.window),
        activation_(layer.activation),
        adds_other_(layer.adds_other),
        bias_(rounded(layer.bias, precision)),
        weight_(onednn::pack_convolution(rounded(layer.weight, precision), window_, padded(input_size))) {}

  Tensors run(Tensors& in, const RunContext&) const override {
    Tensor x = in[0].contiguous(kChannelsLast);
    if (!input_padding_.empty()) x = at::constant_pad_nd(x, input_padding_);
    if (!adds_other_) return {onednn::convolution(x, weight_, bias_, window_, activation_)};
    const bool relu = activation_.name == "relu";
    if (is_sole_owner(in[1]) && in[1].is_contiguous(kChannelsLast)) {
      onednn::convolution_add_(in[1], x, weight_, bias_, window_, relu);
      return {std::move(in[1])};
    }
    return {onednn::convolution_add(x, in[1].contiguous(kChannelsLast), weight_, bias_, window_, relu)};
  }

  std::string details() const override { return describe_window(kernel_, window_); }
  int64_t bytes() const override { return static_cast<int64_t>(weight_.nbytes()); }

 private:
  Ints padded(Ints size) const {
    if (input_padding_.empty()) return size;
    size[3] += input_padding_[0] + input_padding_[1];
    size[2] += input_padding_[2] + input_padding_[3];
    return size;
  }

  Ints kernel_, input_padding_;
  onednn::Window window_;
  onednn::Activation activation_;
  bool adds_other_;
  Tensor bias_, weight_;
};

/// Writes over x.
void apply(const onednn::Activation& activation, Tensor& x) {
  const std::string& name = activation.name;
  if (name == "relu") x.relu_();
  if (name == "sigmoid") x.sigmoid_();
  if (name == "tanh") x.tanh_();
  if (name == "swish") at::silu_(x);
  if (name == "hardswish") at::hardswish_(x);
  if (name == "hardsigmoid") at::hardsigmoid_(x);
  if (name == "gelu") at::gelu_(x, *activation.algorithm);
  if (name == "leaky_relu") at::leaky_relu_(x, activation.numbers[0]);
  if (name == "hardtanh") at::hardtanh_(x, activation.numbers[0], activation.numbers[1]);
}

/// A convolution that looks at one position at a time is a matrix product over the channels: the call costs half.
bool is_pointwise(const Layer& layer) {
  return layer.kind == Layer::Kind::convolution && layer.weight.size(2) == 1 && layer.weight.size(3) == 1 &&
         layer.window.groups == 1 && layer.input_padding.empty() && layer.window.stride == Ints{1, 1} &&
         layer.window.padding == Ints{0, 0} && (!layer.adds_other || layer.activation.name == "none");
}

class LinearStep : public Step {
 public:
  LinearStep(const Layer& layer, int64_t rows, at::ScalarType precision)
      : activation_(layer.activation),
        adds_other_(layer.adds_other),
        from_channels_first_(layer.kind == Layer::Kind::convolution),
        to_channels_first_(from_channels_first_ || layer.channels_first),
        bias_(rounded(layer.bias, precision)),
        weight_(onednn::pack_linear(rounded(layer.weight.flatten(1), precision), rows)) {}

  Tensors run(Tensors& in, const RunContext&) const override {
    const Tensor x = (from_channels_first_ ? to_back(in[0]) : in[0]).contiguous();
    Tensor y = onednn::linear(x, weight_, bias_, activation_);
    if (to_channels_first_) y = y.permute({0, 3, 1, 2});
    // Not slower than oneDNN's own sum (measured), which gives up writing in place.
    return {adds_other_ ? y.add_(in[1]) : y};
  }

  std::string details() const override { return "oneDNN matrix product"; }
  int64_t bytes() const override { return static_cast<int64_t>(weight_.nbytes()); }

 private:
  static Tensor to_back(const Tensor& x) { return x.permute({0, 2, 3, 1}); }

  onednn::Activation activation_;
  bool adds_other_, from_channels_first_, to_channels_first_;
  Tensor bias_, weight_;
};

/// A layer with so little to compute that preparing a call of oneDNN would take longer: ATen's own kernels.
class SmallLayerStep : public Step {
 public:
  SmallLayerStep(Layer layer, at::ScalarType precision) : layer_(std::move(layer)) {
    layer_.weight = rounded(layer_.weight, precision);
    layer_.bias = rounded(layer_.bias, precision);
  }

  Tensors run(Tensors& in, const RunContext&) const override {
    const auto bias = layer_.bias.defined() ? std::optional<Tensor>(layer_.bias) : std::nullopt;
    const onednn::Window& window = layer_.window;
    const Tensor padded = layer_.input_padding.empty() ? in[0] : at::constant_pad_nd(in[0], layer_.input_padding);
    Tensor y = layer_.kind == Layer::Kind::linear
                   ? at::linear(in[0], layer_.weight, bias)
                   : at::convolution(padded, layer_.weight, bias, window.stride, window.padding, window.dilation,
                                     /*transposed=*/false, {0, 0}, window.groups);
    if (layer_.channels_first) y = y.permute({0, 3, 1, 2});
    if (layer_.adds_other) y.add_(in[1]);
    apply(layer_.activation, y);
    return {y};
  }

  std::string details() const override { return "small"; }
  int64_t bytes() const override { return static_cast<int64_t>(layer_.weight.nbytes()); }

 private:
  Layer layer_;
};

/// softmax(scale Q K^T + mask) V without writing the softmax down.
class AttentionStep : public Step {
 public:
  AttentionStep(double scale, bool causal) : scale_(scale), causal_(causal) {}
  Tensors run(Tensors& in, const RunContext&) const override {
    const auto mask = in.size() > 3 && in[3].defined() ? std::optional<Tensor>(in[3]) : std::nullopt;
    const auto scale = scale_ != 0 ? std::optional<double>(scale_) : std::nullopt;
    return {at::scaled_dot_product_attention(in[0], in[1], in[2], mask, 0, causal_, scale)};
  }
  std::string details() const override { return "fused attention"; }

 private:
  double scale_;
  bool causal_;
};

/// True where the tensor may become the result of an elementwise operator on it.
bool may_overwrite(const Tensor& x) {
  return is_sole_owner(x) && x.is_floating_point() && x.is_non_overlapping_and_dense();
}

/// Written over its input where that is nobody else's.
class ActivationStep : public Step {
 public:
  ActivationStep(std::shared_ptr<const Operator> op, onednn::Activation activation)
      : op_(std::move(op)), activation_(std::move(activation)) {}
  Tensors run(Tensors& in, const RunContext& context) const override {
    if (!may_overwrite(in[0])) return op_->forward(in, context);
    apply(activation_, in[0]);
    return {std::move(in[0])};
  }
  std::string details() const override { return "in place"; }

 private:
  std::shared_ptr<const Operator> op_;
  onednn::Activation activation_;
};

/// A sum or product written over an operand of the result's shape where that is nobody else's.
class BinaryStep : public Step {
 public:
  explicit BinaryStep(std::shared_ptr<const Operator> op) : op_(std::move(op)), is_sum_(op_->name() == "Add") {}
  Tensors run(Tensors& in, const RunContext& context) const override {
    for (const size_t i : {0, 1}) {
      Tensor &x = in[i], &other = in[1 - i];
      if (!may_overwrite(x) || x.scalar_type() != other.scalar_type() || !broadcasts(other, x)) continue;
      is_sum_ ? x.add_(other) : x.mul_(other);
      return {std::move(x)};
    }
    return op_->forward(in, context);
  }
  std::string details() const override { return "in place"; }

 private:
  static bool broadcasts(const Tensor& from, const Tensor& to) {
    if (from.dim() > to.dim()) return false;
    for (int64_t i = 1; i <= from.dim(); ++i)
      if (from.size(-i) != 1 && from.size(-i) != to.size(-i)) return false;
    return true;
  }

  std::shared_ptr<const Operator> op_;
  bool is_sum_;
};

/// As the graph does it.
class OperatorStep : public Step {
 public:
  explicit OperatorStep(std::shared_ptr<const Operator> op) : op_(std::move(op)) {}
  Tensors run(Tensors& in, const RunContext& context) const override { return op_->forward(in, context); }
  std::string details() const override { return op_->describe(); }

 private:
  std::shared_ptr<const Operator> op_;
};

/// What the fused attention of ATen computes too: equal heads on [N,heads,tokens,size], no past, no fourth output.
bool is_simple_attention(const Graph::Impl::Node& node, const Graph::Impl& graph) {
  const Attributes& attributes = node.spec.attributes;
  if (node.spec.op_type != "Attention" || attributes.get_float("softcap", 0) != 0 ||
      attributes.has("softmax_precision") || node.inputs.size() > 4)
    return false;
  const auto shape = [&](size_t i) -> const Shape& { return graph.values[node.inputs[i]].traced.shape; };
  for (size_t i = 0; i < 3; ++i)
    if (shape(i).size() != 4 || !(shape(i)[1] == shape(0)[1])) return false;
  if (node.inputs.size() == 4 && node.inputs[3] != Graph::Impl::kAbsent)
    return graph.values[node.inputs[3]].traced.type == at::kFloat && attributes.get_int("is_causal", 0) == 0;
  return true;
}

Ints sizes_of(const Shape& shape, int64_t batch) {
  Ints sizes;
  for (const Dim& dim : shape) sizes.push_back(dim.at(batch));
  return sizes;
}

}  // namespace

namespace {

/// A layer by libtorch's operators.
std::unique_ptr<Step> make_layer_step(const Layer& layer, const Ints& input, const Ints& output,
                                      const StepOptions& options) {
  int64_t work = layer.weight.numel() / layer.channels();
  for (const int64_t size : output) work *= size;
  if (work < options.small_layer) return std::make_unique<SmallLayerStep>(layer, options.precision);
  const bool pointwise = is_pointwise(layer);
  if (layer.kind == Layer::Kind::convolution && !pointwise)
    return std::make_unique<ConvolutionStep>(layer, input, options.precision);
  int64_t rows = pointwise ? input[0] * input[2] * input[3] : 1;
  for (size_t i = 0; !pointwise && i + 1 < input.size(); ++i) rows *= input[i];
  return std::make_unique<LinearStep>(layer, rows, options.precision);
}

}  // namespace

std::unique_ptr<Step> make_step(const DraftStep& draft, const Graph::Impl& graph, const StepOptions& options) {
  const Graph::Impl::Node& node = *draft.node;
  if (draft.layer) {
    const auto sizes = [&](int id) { return sizes_of(graph.values[id].traced.shape, options.batch); };
    const Ints input = sizes(draft.inputs[0]);
    if (options.direct) return std::make_unique<DirectStep>(*draft.layer, input, options.precision);
    return make_layer_step(*draft.layer, input, sizes(node.outputs[0]), options);
  }
  if (is_simple_attention(node, graph))
    return std::make_unique<AttentionStep>(node.spec.attributes.get_float("scale", 0),
                                           node.spec.attributes.get_int("is_causal", 0) != 0);
  Tensors constants;
  for (const int id : node.inputs)
    constants.push_back(id == Graph::Impl::kAbsent ? Tensor() : graph.values[id].constant);
  if (const auto activation = find_activation(node.spec, constants))
    return std::make_unique<ActivationStep>(node.op, *activation);
  if (node.spec.op_type == "Add" || node.spec.op_type == "Mul") return std::make_unique<BinaryStep>(node.op);
  return std::make_unique<OperatorStep>(node.op);
}

}  // namespace vitrail
