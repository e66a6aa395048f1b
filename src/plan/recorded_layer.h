#pragma once

// A layer of a plan that autograd can go back through.
//
// Forward and backward are calls of oneDNN on channels-last tensors: the gradient by the input costs about as much as
// the layer itself. An activation whose derivative can be read from its value stays in the layer's own call; others are
// ATen's.

#include <memory>

#include "plan/direct.h"

namespace vitrail::onednn {

class RecordedLayer {
 public:
  /// `fused` computes `layer` with its activation, in float32.
  RecordedLayer(std::shared_ptr<const DirectLayer> fused, const Layer& layer);

  /// As DirectLayer::run; the result carries the graph to `x` and `other`, once differentiable.
  Tensor run(const Tensor& x, const Tensor& other) const;

  /// Of packed weights beside those of `fused`.
  int64_t bytes() const { return apart_ ? layer_->bytes() : 0; }

 private:
  bool apart_;  ///< the activation is not in layer_
  std::shared_ptr<const DirectLayer> layer_;
  Activation activation_;
};

}  // namespace vitrail::onednn
