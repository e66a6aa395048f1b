#include "model/row_target.h"

#include <ATen/TensorOperators.h>

namespace vitrail {

Tensor SumTarget::score(const ModelOutput& output) const {
  return (output.scores.index_select(1, indices_) * weights_.to(output.scores.scalar_type())).sum(1);
}

Tensor SimilarityTarget::score(const ModelOutput& output) const {
  const auto norm = [](const Tensor& v) { return v.square().sum(-1).clamp_min(1e-24).sqrt(); };
  return (output.scores * reference_).sum(1) / (norm(output.scores) * norm(reference_));
}

}  // namespace vitrail
