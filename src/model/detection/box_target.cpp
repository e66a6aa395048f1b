#include "model/detection/box_target.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

namespace vitrail {
namespace {

constexpr double kTiny = 1e-12;

Tensor norm(const Tensor& v) { return v.square().sum(-1).clamp_min(kTiny * kTiny).sqrt(); }

/// Cosine of the classes [K] with those of every box [N,B,K].
Tensor similarity(const Tensor& classes, const Tensor& scores) {
  return (scores * classes).sum(-1) / (norm(scores) * norm(classes));
}

}  // namespace

Tensor BoxTarget::score(const ModelOutput& output) const {
  if (output.boxes.size(1) == 0) return at::zeros({output.samples()}, output.scores.options());
  const Tensor confidence = output.confidence();
  const bool one_class = !classes_.defined() || output.classes() == 1;
  Tensors scores;
  for (int64_t r = 0; r < boxes_.size(0); ++r) {
    const Tensor position = overlap(boxes_[r], output.boxes);
    const Tensor alike = one_class ? at::ones_like(position) : similarity(classes_[r], output.scores);
    const Tensor match = position * confidence * alike;
    const Tensor& wanted = part_ == BoxPart::position     ? position
                           : part_ == BoxPart::confidence ? confidence
                           : part_ == BoxPart::similarity ? alike
                                                          : match;
    scores.push_back(wanted.gather(1, match.argmax(1, /*keepdim=*/true)).squeeze(1));
  }
  return at::stack(scores).mean(0);
}

Tensor PresenceTarget::score(const ModelOutput& output) const {
  if (output.boxes.size(1) == 0) return at::zeros({output.samples()}, output.scores.options());
  const Tensor probability = output.scores.select(2, index_);
  const Tensor present = output.objectness.defined() ? output.objectness * probability : probability;
  return std::get<0>(present.max(1));
}

}  // namespace vitrail
