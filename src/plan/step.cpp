#include "plan/step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/registry.h"
#include "ops/window.h"
#include "plan/activation.h"
#include "plan/device_layer.h"
#include "plan/recorded_layer.h"

namespace vitrail {
namespace {

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

/// True where autograd is to find a way back to the tensor.
bool is_recorded(const Tensor& t) { return at::GradMode::is_enabled() && t.defined() && t.requires_grad(); }

/// True where writing into the tensor is seen by nobody else.
bool is_sole_owner(const Tensor& t) { return t.use_count() == 1 && t.storage().use_count() == 1; }

/// Of a convolution with what is added to its result; channels are in axis 1.
Locality locality_of(const Layer& layer, size_t input, size_t rank) {
  Locality locality = Locality::everything(rank);
  locality.by_parts = true;
  for (size_t d = 0; d < rank; ++d) locality.axes[d] = AxisReach::same(static_cast<int64_t>(d));
  if (input != 0) return locality;  // the sum's other operand
  if (layer.kind == Layer::Kind::linear) {
    const size_t channels = layer.channels_first ? 1 : rank - 1;
    locality.axes[channels] = {};
    for (size_t d = channels + 1; d < rank; ++d) locality.axes[d].axis = static_cast<int64_t>(d) - 1;
    return locality;
  }
  locality.axes[1] = {};
  for (size_t i = 0; i < 2; ++i) {
    const Ints& sides = layer.input_padding;  // left, right, top, bottom
    const int64_t begin = layer.window.padding[i] + (sides.empty() ? 0 : sides[i == 0 ? 2 : 0]);
    const bool pads = layer.window.padding[i] != 0 || layer.window.end_padding[i] != 0 ||
                      std::any_of(sides.begin(), sides.end(), [](int64_t n) { return n != 0; });
    const int64_t extent = (layer.weight.size(static_cast<int64_t>(i) + 2) - 1) * layer.window.dilation[i];
    locality.axes[i + 2] = {static_cast<int64_t>(i) + 2, layer.window.stride[i], 1, -begin, extent - begin};
    locality.by_parts = locality.by_parts && !pads;
  }
  return locality;
}

/// What a step keeps of its layer once the weights are packed.
Layer without_weights(Layer layer) {
  layer.weight = layer.weight.new_empty({1}).expand(layer.weight.sizes());  // the sizes stay
  layer.bias = Tensor();
  return layer;
}

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
  /// `input`: sizes of x. `gradients`: runs may be recorded.
  DirectStep(const Layer& layer, const Ints& input, at::ScalarType precision, bool gradients)
      : source_(layer),
        input_(input),
        precision_(precision),
        on_vectors_(is_on_vectors(layer, input)),
        layer_(std::make_shared<onednn::DirectLayer>(on_vectors_ ? as_linear(layer) : layer, precision)),
        recorded_(gradients ? std::make_unique<onednn::RecordedLayer>(layer_, on_vectors_ ? as_linear(layer) : layer)
                            : nullptr),
        to_channels_first_(layer.channels_first),
        details_(layer.kind == Layer::Kind::convolution && !on_vectors_
                     ? describe_window(layer.weight.sizes().slice(2).vec(), layer.window)
                     : "oneDNN matrix product") {}

  Tensors run(Tensors& in, const RunContext&) const override {
    const bool adds = in.size() > 1, may_overwrite = adds && is_sole_owner(in[1]);
    const bool records = recorded_ && (is_recorded(in[0]) || (adds && is_recorded(in[1])));
    const auto run = [&](const Tensor& x, const Tensor& other) {
      return records ? recorded_->run(x, other) : layer_->run(x, other, may_overwrite);
    };
    Tensor other = adds ? in[1] : Tensor();
    if (adds && to_channels_first_) other = other.permute({0, 2, 3, 1});
    if (on_vectors_) return {run(in[0].flatten(1), adds ? other.flatten(1) : other).unsqueeze(-1).unsqueeze(-1)};
    const Tensor y = run(in[0], other);
    return {to_channels_first_ ? y.permute({0, 3, 1, 2}) : y};
  }

  std::string details() const override { return details_; }
  int64_t bytes() const override { return layer_->bytes() + (recorded_ ? recorded_->bytes() : 0); }

  Locality locality(size_t input, size_t, const Tensors&, const Ints& out) const override {
    return locality_of(source_, input, out.size());
  }
  std::unique_ptr<Step> without_padding(double& fill) const override {
    Layer bare = source_;
    fill = 0;
    bare.window.padding = bare.window.end_padding = {0, 0};
    return std::make_unique<DirectStep>(bare, input_, precision_, /*gradients=*/false);
  }

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

  Layer source_;
  Ints input_;
  at::ScalarType precision_;
  bool on_vectors_;
  std::shared_ptr<const onednn::DirectLayer> layer_;
  std::unique_ptr<const onednn::RecordedLayer> recorded_;
  bool to_channels_first_;
  std::string details_;
};

class ConvolutionStep : public Step {
 public:
  ConvolutionStep(const Layer& layer, const Ints& input_size, at::ScalarType precision)
      : layer_(without_weights(layer)),
        kernel_(layer.weight.sizes().slice(2).vec()),
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

  Locality locality(size_t input, size_t, const Tensors&, const Ints& out) const override {
    return locality_of(layer_, input, out.size());
  }
  /// Shares the packed weights.
  std::unique_ptr<Step> without_padding(double& fill) const override {
    auto step = std::make_unique<ConvolutionStep>(*this);
    fill = 0;
    step->layer_.window.padding = step->layer_.window.end_padding = step->window_.padding = {0, 0};
    step->layer_.input_padding = step->input_padding_ = {};
    return step;
  }

 private:
  Ints padded(Ints size) const {
    if (input_padding_.empty()) return size;
    size[3] += input_padding_[0] + input_padding_[1];
    size[2] += input_padding_[2] + input_padding_[3];
    return size;
  }

  Layer layer_;
  Ints kernel_, input_padding_;
  onednn::Window window_;
  onednn::Activation activation_;
  bool adds_other_;
  Tensor bias_, weight_;
};

/// A convolution that looks at one position at a time is a matrix product over the channels: the call costs half.
bool is_pointwise(const Layer& layer) {
  return layer.kind == Layer::Kind::convolution && layer.weight.size(2) == 1 && layer.weight.size(3) == 1 &&
         layer.window.groups == 1 && layer.input_padding.empty() && layer.window.stride == Ints{1, 1} &&
         layer.window.padding == Ints{0, 0} && (!layer.adds_other || layer.activation.name == "none");
}

class LinearStep : public Step {
 public:
  LinearStep(const Layer& layer, int64_t rows, at::ScalarType precision)
      : layer_(without_weights(layer)),
        activation_(layer.activation),
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
  Locality locality(size_t input, size_t, const Tensors&, const Ints& out) const override {
    return locality_of(layer_, input, out.size());
  }
  int64_t bytes() const override { return static_cast<int64_t>(weight_.nbytes()); }

 private:
  static Tensor to_back(const Tensor& x) { return x.permute({0, 2, 3, 1}); }

  Layer layer_;
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
    onednn::apply(layer_.activation, y);
    return {y};
  }

  std::string details() const override { return "small"; }
  Locality locality(size_t input, size_t, const Tensors&, const Ints& out) const override {
    return locality_of(layer_, input, out.size());
  }
  std::unique_ptr<Step> without_padding(double& fill) const override {
    auto step = std::make_unique<SmallLayerStep>(*this);
    fill = 0;
    step->layer_.input_padding = {};
    if (layer_.kind == Layer::Kind::convolution) step->layer_.window.padding = step->layer_.window.end_padding = {0, 0};
    return step;
  }
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
  Locality locality(size_t, size_t, const Tensors&, const Ints& out) const override {
    return Locality::everything(out.size());
  }

 private:
  double scale_;
  bool causal_;
};

/// True where the tensor may become the result of an elementwise operator on it.
bool may_overwrite(const Tensor& x) {
  return is_sole_owner(x) && !is_recorded(x) && x.is_floating_point() && x.is_non_overlapping_and_dense();
}

/// Written over its input where that is nobody else's.
class ActivationStep : public Step {
 public:
  ActivationStep(std::shared_ptr<const Operator> op, onednn::Activation activation)
      : op_(std::move(op)), activation_(std::move(activation)) {}
  Tensors run(Tensors& in, const RunContext& context) const override {
    if (!may_overwrite(in[0])) return op_->forward(in, context);
    onednn::apply(activation_, in[0]);
    return {std::move(in[0])};
  }
  std::string details() const override { return "in place"; }
  Locality locality(size_t input, size_t output, const Tensors& in, const Ints& out) const override {
    return op_->locality(input, output, in, out);
  }

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
      if (!may_overwrite(x) || is_recorded(other) || x.scalar_type() != other.scalar_type() || !broadcasts(other, x))
        continue;
      is_sum_ ? x.add_(other) : x.mul_(other);
      return {std::move(x)};
    }
    return op_->forward(in, context);
  }
  std::string details() const override { return "in place"; }
  Locality locality(size_t input, size_t output, const Tensors& in, const Ints& out) const override {
    return op_->locality(input, output, in, out);
  }

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
  Locality locality(size_t input, size_t output, const Tensors& in, const Ints& out) const override {
    return op_->locality(input, output, in, out);
  }

 private:
  std::shared_ptr<const Operator> op_;
};

/// Of a node that pads what it looks at: of an input that is padded already, the same node without.
class PaddingStep : public OperatorStep {
 public:
  PaddingStep(std::shared_ptr<const Operator> op, std::shared_ptr<const Operator> bare, double fill)
      : OperatorStep(std::move(op)), bare_(std::move(bare)), fill_(fill) {}
  std::unique_ptr<Step> without_padding(double& fill) const override {
    fill = fill_;
    return std::make_unique<OperatorStep>(bare_);
  }

 private:
  std::shared_ptr<const Operator> bare_;
  double fill_;
};

/// For the pools of which each value is that of its window with something put where it is padded, and for paddings.
std::unique_ptr<Step> make_padding_step(const Graph::Impl::Node& node, const Tensors& constants, const Shape& input) {
  NodeSpec bare = node.spec;
  const Attributes& attributes = node.spec.attributes;
  if (input.size() != 4 || node.spec.outputs.size() != 1 || !node.spec.domain.empty()) return nullptr;
  if (node.spec.op_type == "Pad") {
    const bool has_value = constants.size() > 2 && !node.spec.inputs[2].empty();
    if (attributes.get_string("mode", "constant") != "constant" || (has_value && !constants[2].defined()))
      return nullptr;
    bare.op_type = "Identity";
    bare.attributes = {};
    bare.inputs.resize(1);
    return std::make_unique<PaddingStep>(node.op, OperatorRegistry::all().make({bare, {Tensor()}}),
                                         has_value && constants[2].numel() > 0 ? constants[2].item().toDouble() : 0);
  }
  const bool is_maximum = node.spec.op_type == "MaxPool";
  if (!is_maximum && node.spec.op_type != "AveragePool") return nullptr;
  const Window window(attributes);
  const Ints sizes{input[2].fixed, input[3].fixed}, none{0, 0};
  const WindowPlacement place = window.place(sizes, attributes.get_ints("kernel_shape"));
  const bool pads = place.begin != none || place.end != none;
  // A mean divides by what is inside: only one that counts its padding is that of a padded window.
  if (!is_maximum && (place.overhang != none || (pads && attributes.get_int("count_include_pad", 0) == 0)))
    return nullptr;
  for (const char* name : {"pads", "auto_pad", "ceil_mode"}) bare.attributes.erase(name);
  return std::make_unique<PaddingStep>(node.op, OperatorRegistry::all().make({bare, constants}),
                                       is_maximum ? -std::numeric_limits<double>::infinity() : 0);
}

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
  if (draft.layer && !graph.device.is_cpu()) return make_device_layer(*draft.layer, options.precision);
  if (draft.layer) {
    const auto sizes = [&](int id) { return sizes_of(graph.values[id].traced.shape, options.batch); };
    const Ints input = sizes(draft.inputs[0]);
    if (options.direct) return std::make_unique<DirectStep>(*draft.layer, input, options.precision, options.gradients);
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
  const Shape& input = graph.values[std::max(node.inputs.empty() ? 0 : node.inputs[0], 0)].traced.shape;
  if (auto step = make_padding_step(node, constants, input)) return step;
  if (node.spec.op_type == "Add" || node.spec.op_type == "Mul") return std::make_unique<BinaryStep>(node.op);
  return std::make_unique<OperatorStep>(node.op);
}

}  // namespace vitrail
