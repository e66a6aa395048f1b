#pragma once

// What hidden pixels become, mask by mask: a Baseline resolved for one input.

#include <vitrail/baseline.h>
#include <vitrail/scorer.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <span>

namespace vitrail {

class Fill {
 public:
  Fill(const Baseline& baseline, const Tensor& input, const Scorer& scorer);

  /// Values for masks [n,1,H,W], broadcastable to [n,C,H,W]. `points` [n] numbers the masks: the photo of `samples`
  /// and the noise of `linear` are functions of the number, so masks that are compared should share it.
  Tensor values(const Tensor& masks, std::span<const int64_t> points) const;

  /// What is hidden beside a pixel may change what it becomes.
  bool depends_on_mask() const { return !fixed_.defined() && !photos_.defined(); }
  /// The values for the mask of this number, whatever the mask; for fills that do not depend on it.
  Tensor of_point(int64_t point) const { return fixed_.defined() ? fixed_ : photos_[point % photos_.size(0)]; }
  /// What hides one mask depends on the mask's number (`samples`, `linear`).
  bool depends_on_number() const;
  /// The numbers 0 .. count - 1 hide everything in as many different ways: the photos of `samples`, else 1.
  int64_t ways_to_hide_all() const;

 private:
  Baseline baseline_;
  Tensor input_;   ///< [C,H,W], where a mask decides
  Tensor fixed_;   ///< broadcastable to [C,H,W], where it does not
  Tensor photos_;  ///< [K,C,H,W] of `samples`
};

}  // namespace vitrail
