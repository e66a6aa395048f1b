#pragma once

// The score of a detector for reference boxes: how much of what was detected is still detected.
//
//   S(x) = mean over references r of  max over boxes j  overlap(r, j) x objectness(j) x similarity(r, j)
//
// with the cosine of the class probabilities as similarity (1 where the detector has one class), over all boxes before
// suppression, so that S is differentiable; 0 where there is no box. One factor alone is that of the box with the
// largest product. Source: D-RISE, Petsiuk et al., 2021 (arXiv 2006.03204).

#include "vitrail/target.h"

namespace vitrail {

enum class BoxPart { all, position, confidence, similarity };

class BoxTarget : public TargetScore {
 public:
  /// `boxes` [R,4] in pixels of the input; `classes` [R,K], or undefined: any class.
  BoxTarget(Tensor boxes, Tensor classes, BoxPart part)
      : boxes_(std::move(boxes)), classes_(std::move(classes)), part_(part) {}
  Tensor score(const ModelOutput& output) const override;

 private:
  Tensor boxes_, classes_;
  BoxPart part_;
};

/// The largest probability of a class over all boxes, times objectness.
class PresenceTarget : public TargetScore {
 public:
  explicit PresenceTarget(int64_t index) : index_(index) {}
  Tensor score(const ModelOutput& output) const override;

 private:
  int64_t index_;
};

}  // namespace vitrail
