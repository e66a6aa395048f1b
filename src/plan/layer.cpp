#include "plan/layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/arguments.h"
#include "ops/window.h"

namespace vitrail {
namespace {

bool is_float_matrix(const Tensor& t) { return t.defined() && t.scalar_type() == at::kFloat && t.dim() == 2; }

std::optional<Layer> make_convolution(const NodeSpec& node, const Tensors& constants, const Ints& input) {
  const Tensor& weight = constants[1];
  const bool has_bias = node.inputs.size() > 2 && !node.inputs[2].empty();
  if (!weight.defined() || weight.scalar_type() != at::kFloat || weight.dim() != 4 || input.size() != 4 ||
      (has_bias && !constants[2].defined()))
    return std::nullopt;
  const Window geometry(node.attributes);
  const Ints kernel{weight.size(2), weight.size(3)};
  const WindowPlacement place = geometry.place({input[2], input[3]}, kernel);

  if (place.begin[0] < 0 || place.begin[1] < 0 || place.end[0] < 0 || place.end[1] < 0) return std::nullopt;
  Layer layer;
  layer.weight = weight;
  layer.bias = has_bias ? constants[2] : Tensor();
  layer.window = {place.begin, place.end, geometry.strides(2), geometry.dilations(2),
                  node.attributes.get_int("group", 1)};
  return layer;
}

std::optional<Layer> make_linear(const NodeSpec& node, const Tensors& constants) {
  Layer layer;
  layer.kind = Layer::Kind::linear;
  if (!is_float_matrix(constants[1])) return std::nullopt;
  if (node.op_type == "MatMul") {
    layer.weight = constants[1].t();
    return layer;
  }
  const Attributes& attributes = node.attributes;
  const bool has_bias = node.inputs.size() > 2 && !node.inputs[2].empty();
  if (attributes.get_int("transA", 0) != 0 || (has_bias && !constants[2].defined())) return std::nullopt;
  layer.weight = attributes.get_int("transB", 0) != 0 ? constants[1] : constants[1].t();
  const double alpha = attributes.get_float("alpha", 1), beta = attributes.get_float("beta", 1);
  if (alpha != 1) layer.weight = (layer.weight.to(at::kDouble) * alpha);
  if (has_bias) {
    const Tensor& bias = constants[2];
    if (bias.numel() != 1 && (bias.numel() != layer.channels() || bias.size(-1) != layer.channels()))
      return std::nullopt;
    layer.bias = bias.reshape({-1}).expand({layer.channels()}).to(at::kDouble) * beta;
  }
  return layer;
}

/// [M] of a constant that varies over axis `axis` of a value of this rank only.
std::optional<Tensor> per_channel(const Tensor& constant, int64_t rank, int64_t axis, int64_t channels) {
  if (!constant.defined() || constant.scalar_type() != at::kFloat || constant.dim() > rank) return std::nullopt;
  const int64_t along = axis - (rank - constant.dim());  // counted from the constant's own first axis
  const bool varies = along >= 0 && constant.size(along) == channels;
  if (constant.numel() != (varies ? channels : 1)) return std::nullopt;
  return constant.to(at::kDouble).reshape({-1}).expand({channels});
}

std::optional<double> scalar(const Tensors& constants, size_t i) {
  if (i >= constants.size() || !constants[i].defined() || constants[i].numel() != 1) return std::nullopt;
  return constants[i].item().toDouble();
}

bool is_absent(const NodeSpec& node, size_t i) { return i >= node.inputs.size() || node.inputs[i].empty(); }

bool is_near(double a, double b) { return std::abs(a - b) < 1e-6; }

}  // namespace

void Layer::fold(const Tensor& scale, const Tensor& shift) {
  Ints shape(static_cast<size_t>(weight.dim()), 1);
  shape[0] = -1;
  weight = weight.to(at::kDouble) * scale.reshape(shape);
  bias = bias.defined() ? bias.to(at::kDouble) * scale + shift : shift;
}

std::optional<Layer> make_layer(const NodeSpec& node, const Tensors& constants, const Ints& input) {
  if (!node.domain.empty()) return std::nullopt;
  if (node.op_type == "Conv") return make_convolution(node, constants, input);
  const bool is_product = node.op_type == "MatMul" && input.size() >= 2;
  if (is_product || (node.op_type == "Gemm" && input.size() == 2)) return make_linear(node, constants);
  return std::nullopt;
}

// A photo is padded first; for other thin kernels, pad both sides by the larger and lengthen the kernel by zeros on the
// side that got too much: the windows then stand where they did.
bool make_symmetric(Layer& layer) {
  onednn::Window& window = layer.window;
  if (layer.kind != Layer::Kind::convolution || window.padding == window.end_padding) return true;
  constexpr int64_t kThin = 4;
  if (window.groups == 1 && layer.weight.size(1) <= kThin) {
    layer.input_padding = {window.padding[1], window.end_padding[1], window.padding[0], window.end_padding[0]};
    window.padding = window.end_padding = {0, 0};
    return true;
  }
  Ints front(2), back(2), kernel{layer.weight.size(2), layer.weight.size(3)};
  for (size_t i = 0; i < 2; ++i) {
    const int64_t difference = window.end_padding[i] - window.padding[i];
    if (difference % window.dilation[i] != 0) return false;
    front[i] = std::max<int64_t>(0, difference) / window.dilation[i];
    back[i] = std::max<int64_t>(0, -difference) / window.dilation[i];
  }
  // Twice the arithmetic is less than a copy of the input for thin kernels (measured); others pad explicitly.
  const int64_t longer = (kernel[0] + front[0] + back[0]) * (kernel[1] + front[1] + back[1]);
  if (layer.weight.size(1) > kThin || longer > 2 * kernel[0] * kernel[1]) return false;
  layer.weight = at::constant_pad_nd(layer.weight, {front[1], back[1], front[0], back[0]});
  for (size_t i = 0; i < 2; ++i)
    window.padding[i] = window.end_padding[i] = std::max(window.padding[i], window.end_padding[i]);
  return true;
}

std::optional<Affine> find_affine(const NodeSpec& node, const Tensors& constants, size_t position, int64_t rank,
                                  int64_t axis, int64_t channels) {
  if (node.op_type == "BatchNormalization") {
    if (axis != 1 || position != 0 || node.attributes.get_int("training_mode", 0) != 0) return std::nullopt;
    for (size_t i = 1; i < 5; ++i)
      if (!constants[i].defined()) return std::nullopt;
    const auto wide = [&](size_t i) { return constants[i].to(at::kDouble); };
    const Tensor scale = wide(1) / at::sqrt(wide(4) + node.attributes.get_float("epsilon", 1e-5));
    return Affine{scale, wide(2) - wide(3) * scale};
  }
  if (constants.size() != 2) return std::nullopt;
  const auto constant = per_channel(constants[1 - position], rank, axis, channels);
  if (!constant) return std::nullopt;
  const Tensor one = at::ones({channels}, constant->options()), zero = at::zeros({channels}, constant->options());
  if (node.op_type == "Mul") return Affine{*constant, zero};
  if (node.op_type == "Add") return Affine{one, *constant};
  if (node.op_type == "Sub") return position == 0 ? Affine{one, -*constant} : Affine{-one, *constant};
  if (node.op_type == "Div" && position == 0) return Affine{one / *constant, zero};
  return std::nullopt;
}

std::optional<Ints> find_zero_padding(const NodeSpec& node, const Tensors& constants, size_t rank) {
  const bool has_value = constants.size() > 2 && (constants[2].defined() || !is_absent(node, 2));
  if (node.op_type != "Pad" || node.attributes.get_string("mode", "constant") != "constant" || rank != 4 ||
      constants.size() < 2 || !constants[1].defined() || !is_absent(node, 3) ||
      (has_value && scalar(constants, 2) != 0.0))
    return std::nullopt;
  const Ints pads = to_ints(constants[1]);  // N, C, H, W at their begin, then at their end
  if (pads.size() != 8 || pads[0] != 0 || pads[1] != 0 || pads[4] != 0 || pads[5] != 0) return std::nullopt;
  return Ints{pads[2], pads[3], pads[6], pads[7]};
}

bool add_padding(Attributes& conv, const Ints& padding) {
  const std::string automatic = conv.get_string("auto_pad", "NOTSET");
  if (automatic != "NOTSET" && automatic != "VALID") return false;
  Ints sum = conv.get_ints("pads", Ints(4, 0));
  if (sum.size() != padding.size()) return false;
  if (automatic == "VALID") sum.assign(4, 0);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += padding[i];
  conv.set("pads", sum);
  conv.erase("auto_pad");
  return true;
}

std::optional<onednn::Activation> find_activation(const NodeSpec& node, const Tensors& constants) {
  const Attributes& attributes = node.attributes;
  if (node.op_type == "Relu") return onednn::Activation{"relu"};
  if (node.op_type == "Sigmoid") return onednn::Activation{"sigmoid"};
  if (node.op_type == "Tanh") return onednn::Activation{"tanh"};
  if (node.op_type == "HardSwish") return onednn::Activation{"hardswish"};
  if (node.op_type == "Swish" && attributes.get_float("alpha", 1) == 1) return onednn::Activation{"swish"};
  if (node.op_type == "LeakyRelu") return onednn::Activation{"leaky_relu", {attributes.get_float("alpha", 0.01)}};
  if (node.op_type == "Gelu") return onednn::Activation{"gelu", {}, attributes.get_string("approximate", "none")};
  if (node.op_type == "HardSigmoid" && is_near(attributes.get_float("alpha", 0.2), 1.0 / 6) &&
      is_near(attributes.get_float("beta", 0.5), 0.5))
    return onednn::Activation{"hardsigmoid"};
  if (node.op_type == "Clip") {
    const auto low = scalar(constants, 1), high = scalar(constants, 2);
    if (low && high && *low <= *high) return onednn::Activation{"hardtanh", {*low, *high}};
    if (low && *low == 0 && is_absent(node, 2)) return onednn::Activation{"relu"};
  }
  return std::nullopt;
}

}  // namespace vitrail
