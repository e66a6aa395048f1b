#pragma once

#include "ops/attributes.h"
#include "ops/operator.h"

namespace vitrail {

/// The ATen type of an ONNX TensorProto.DataType. Throws ModelError for strings, complex and 4-bit numbers.
at::ScalarType scalar_type(int64_t onnx_type);

/// A leaf that tracing puts where a file computes shapes from the batch: fixed + per_batch * N, as int64 on
/// the CPU. Not an ONNX operator.
class BatchShape : public Operator {
 public:
  BatchShape(Ints fixed, Ints per_batch, bool scalar)
      : fixed_(std::move(fixed)), per_batch_(std::move(per_batch)), scalar_(scalar) {}
  std::string_view name() const override { return "BatchShape"; }
  std::string describe() const override;
  Tensors forward(const Tensors& in, const RunContext& context) const override;

 private:
  Ints fixed_, per_batch_;
  bool scalar_;  ///< a number rather than a list of one
};

}  // namespace vitrail
