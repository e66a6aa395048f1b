#pragma once

// A convolution or linear layer with what a plan folds into it:
//
//   y = activation(x * weight + bias + other)
//
// Scales and shifts change weight and bias, in double precision, rounded once when the layer is finished.

#include <optional>

#include "ops/attributes.h"
#include "plan/onednn.h"

namespace vitrail {

struct Layer {
  enum class Kind { convolution, linear };

  Kind kind = Kind::convolution;
  Tensor weight;  ///< [M,C/groups,kh,kw] or [M,K]
  Tensor bias;    ///< [M], or undefined
  onednn::Window window = {};
  Ints input_padding = {};      ///< what make_symmetric() pads the input with beforehand: left, right, top, bottom
  bool channels_first = false;  ///< a linear layer on [N,H,W,K] whose output is seen as [N,M,H,W]
  onednn::Activation activation = {};
  bool adds_other = false;

  int64_t channels() const { return weight.size(0); }
  bool is_plain() const { return activation.name == "none" && !adds_other; }

  /// y * scale + shift, each [M].
  void fold(const Tensor& scale, const Tensor& shift);
};

/// The layer of a Conv, Gemm or MatMul node whose weight is constant; nothing where oneDNN cannot do it.
/// `constants`: one an input of the node, undefined where it is none. `input`: sizes of the first input for one sample.
std::optional<Layer> make_layer(const NodeSpec& node, const Tensors& constants, const Ints& input);

/// Gives a convolution the same padding at both ends of an axis. False where that would cost more than to pad the
/// input.
bool make_symmetric(Layer& layer);

/// y = x * scale + shift, where the node is one with constants that vary over the channels only: [M] each.
struct Affine {
  Tensor scale, shift;
};
/// `rank` and `axis` of x, of which the channels are an axis of this size; `position`: which input of the node x is.
std::optional<Affine> find_affine(const NodeSpec& node, const Tensors& constants, size_t position, int64_t rank,
                                  int64_t axis, int64_t channels);

/// Where the node pads the spatial axes of a value of this rank with zeros: begins, then ends.
std::optional<Ints> find_zero_padding(const NodeSpec& node, const Tensors& constants, size_t rank);

/// Adds it to what a Conv pads. False where the Conv computes its padding from its input's size.
bool add_padding(Attributes& conv, const Ints& padding);

/// The node as what is applied to every element of its first input.
std::optional<onednn::Activation> find_activation(const NodeSpec& node, const Tensors& constants);

}  // namespace vitrail
