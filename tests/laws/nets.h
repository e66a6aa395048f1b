#pragma once

// The networks that the laws are stated on: a small convolutional net with everything that such nets have, a small
// vision transformer, and the same functions written otherwise.
//
//   cnn    x [N,3,12,12] -> Conv -> BatchNormalization -> Relu -> (Conv -> BatchNormalization) + skip -> Relu
//          -> GlobalAveragePool -> Flatten -> Gemm -> 4 logits
//   vit    x [N,3,12,12] -> patches of 3 x 3, a class token, one block of attention and MLP -> Gemm -> 4 logits
//
// Logit 2 is 2 (logit 0) - 3 (logit 1): what the law of linearity looks at.

#include <vitrail/model.h>
#include <vitrail/tensor.h>

#include <cstdint>

namespace vitrail::laws {

constexpr int64_t side = 12, classes = 4;

/// Ways to write the same function, and functions that are related to it.
struct CnnOptions {
  bool folded_norm = false;       ///< BatchNormalization multiplied into the convolutions
  bool split_conv = false;        ///< the second convolution as two, concatenated
  bool relu_as_max = false;       ///< Max(x, 0)
  bool identity_first = false;    ///< an Identity node behind the input, its value named "id"
  bool mirrored = false;          ///< every kernel flipped left to right
  bool symmetric = false;         ///< every kernel the mean of itself and its mirror image
  bool channels_swapped = false;  ///< input channels in reverse order
  bool half_unused = false;       ///< the right half of the input is multiplied by zero
  bool constant = false;          ///< a head of zeros
  double confidence = 1;          ///< factor of the head: large ones saturate a softmax
};
Model cnn(const CnnOptions& options = {});

/// `spelled_out`: LayerNorm and GELU as the elementary operators that older exporters write.
Model vit(bool spelled_out = false);

/// [1,3,side,side], different everywhere.
Tensor photo(double frequency = 0.37);

}  // namespace vitrail::laws
