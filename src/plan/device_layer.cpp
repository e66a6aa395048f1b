#include "plan/device_layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_addmm_activation.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/cudnn_convolution_add_relu.h>
#include <ATen/ops/cudnn_convolution_relu.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include "plan/activation.h"

namespace vitrail {
namespace {

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

/// The same padding at both ends of an axis is all that cuDNN knows; what a layer has beside that pads its input.
Layer with_symmetric_window(Layer layer) {
  onednn::Window& window = layer.window;
  if (layer.kind != Layer::Kind::convolution || window.padding == window.end_padding) return layer;
  layer.input_padding = {window.padding[1], window.end_padding[1], window.padding[0], window.end_padding[0]};
  window.padding = window.end_padding = {0, 0};
  return layer;
}

/// One that looks at one position at a time is a product of the positions and the weights.
bool is_pointwise(const Layer& layer) {
  const onednn::Window& window = layer.window;
  return layer.kind == Layer::Kind::convolution && layer.weight.size(2) == 1 && layer.weight.size(3) == 1 &&
         window.groups == 1 && layer.input_padding.empty() && window.stride == Ints{1, 1} &&
         window.padding == Ints{0, 0};
}

/// Who computes it. A bias and a ReLU of their own each take as long as the layer (measured); cuBLAS takes in the bias,
/// and both take in a bias with a ReLU, cuDNN also a sum before it.
enum class Way { convolution, convolution_relu, product, product_relu };

Way choose(const Layer& layer, at::ScalarType precision) {
  const bool relu = layer.activation.name == "relu", sum = layer.adds_other;
  const bool is_product = layer.kind == Layer::Kind::linear || is_pointwise(layer);
  // In float32 a convolution of 1x1 takes twice as long as the product, more than the sum in a pass of its own.
  const bool cudnn_is_faster = is_pointwise(layer) && relu && sum && precision != at::kFloat;
  if (is_product && !(cudnn_is_faster && layer.weight.is_cuda()))
    return relu && !sum ? Way::product_relu : Way::product;
  return relu && layer.window.groups == 1 && layer.weight.is_cuda() ? Way::convolution_relu : Way::convolution;
}

class DeviceLayerStep : public Step {
 public:
  DeviceLayerStep(const Layer& layer, at::ScalarType precision)
      : layer_(with_symmetric_window(layer)),
        way_(choose(layer_, precision)),
        is_convolution_(layer.kind == Layer::Kind::convolution),
        weight_(layer.weight.to(precision)) {
    if (is_product())
      weight_ = weight_.flatten(1).contiguous().t();
    else
      weight_ = weight_.contiguous(kChannelsLast);
    const bool needs_bias = way_ == Way::convolution_relu || way_ == Way::product_relu;
    if (layer.bias.defined())
      bias_ = layer.bias.to(precision).contiguous();
    else if (needs_bias)
      bias_ = at::zeros({layer.channels()}, weight_.options());
    layer_.weight = layer_.bias = Tensor();
  }

  Tensors run(Tensors& in, const RunContext&) const override {
    const Tensor other = layer_.adds_other ? in[1] : Tensor();
    if (way_ == Way::convolution_relu) return {convolution_relu(in[0], other)};
    Tensor y = is_product() ? product(in[0]) : convolution(in[0]);
    if (other.defined()) y.add_(other);
    if (way_ != Way::product_relu) onednn::apply(layer_.activation, y);
    return {y};
  }

  std::string details() const override {
    const std::string with = way_ == Way::convolution_relu || way_ == Way::product_relu ? " with ReLU" : "";
    if (is_product()) return "cuBLAS product" + with;
    std::string text = "cuDNN convolution " + std::to_string(weight_.size(2)) + "x" + std::to_string(weight_.size(3));
    if (layer_.window.groups > 1) text += " groups " + std::to_string(layer_.window.groups);
    return text + with;
  }

  int64_t bytes() const override { return static_cast<int64_t>(weight_.nbytes()); }

  /// Nothing runs on parts of an image here.
  Locality locality(size_t, size_t, const Tensors&, const Ints& out) const override {
    return Locality::everything(out.size());
  }

 private:
  bool is_product() const { return way_ == Way::product || way_ == Way::product_relu; }

  std::optional<Tensor> bias() const { return bias_.defined() ? std::optional(bias_) : std::nullopt; }

  Tensor padded(const Tensor& x) const {
    const Tensor wide = layer_.input_padding.empty() ? x : at::constant_pad_nd(x, layer_.input_padding);
    return wide.contiguous(kChannelsLast);
  }

  Tensor convolution(const Tensor& x) const {
    const onednn::Window& window = layer_.window;
    return at::convolution(padded(x), weight_, bias(), window.stride, window.padding, window.dilation,
                           /*transposed=*/false, {0, 0}, window.groups);
  }

  Tensor convolution_relu(const Tensor& x, const Tensor& other) const {
    const onednn::Window& window = layer_.window;
    if (!other.defined())
      return at::cudnn_convolution_relu(padded(x), weight_, bias(), window.stride, window.padding, window.dilation,
                                        window.groups);
    return at::cudnn_convolution_add_relu(padded(x), weight_, other.contiguous(kChannelsLast), /*alpha=*/1, bias(),
                                          window.stride, window.padding, window.dilation, window.groups);
  }

  Tensor product(const Tensor& input) const {
    const Tensor x = is_convolution_ ? input.contiguous(kChannelsLast).permute({0, 2, 3, 1}) : input;
    Ints sizes = x.sizes().vec();
    const Tensor rows = x.reshape({-1, sizes.back()});
    const Tensor y = way_ == Way::product_relu ? at::_addmm_activation(bias_, rows, weight_)
                     : bias_.defined()         ? at::addmm(bias_, rows, weight_)
                                               : at::mm(rows, weight_);
    sizes.back() = weight_.size(1);
    const Tensor shaped = y.view(sizes);
    return is_convolution_ || layer_.channels_first ? shaped.permute({0, 3, 1, 2}) : shaped;
  }

  Layer layer_;  ///< without its weights
  Way way_;
  bool is_convolution_;
  Tensor weight_, bias_;  ///< of a product [K,M]
};

}  // namespace

std::unique_ptr<Step> make_device_layer(const Layer& layer, at::ScalarType precision) {
  return std::make_unique<DeviceLayerStep>(layer, precision);
}

}  // namespace vitrail
