#pragma once

// Layers computed by oneDNN itself. libtorch's operators look their primitive up anew in every call, which takes 15 to
// 40 us; here it is made once for each size of input and number of threads, and a call takes 2.
//
// Only where vitrail was built with oneDNN; elsewhere plans use onednn.h.

#include <memory>
#include <string>

#include "plan/layer.h"

namespace vitrail::onednn {

/// True where vitrail was built with oneDNN.
bool is_linked();

/// A layer ready to run. May be run from several threads at once.
class DirectLayer {
 public:
  /// Computes in float32 or bfloat16.
  DirectLayer(const Layer& layer, at::ScalarType precision);
  ~DirectLayer();

  /// `x`: [N,C,H,W] for a convolution, which gives channels-last [N,M,H',W']; [...,K] for a linear layer. `other`,
  /// where the layer adds one, is written over if `may_overwrite`.
  Tensor run(const Tensor& x, const Tensor& other, bool may_overwrite) const;

  /// The gradient by x, of sizes `input` and ordered like x, where `gradient` is that by the output before the
  /// activation.
  Tensor run_backward(const Tensor& gradient, const Ints& input) const;

  /// Of packed weights; grows while new sizes of input ask for other orders.
  int64_t bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrail::onednn
