#pragma once

// The running sums behind a RISE map: of a size that does not depend on the number of masks.
//
// With scores g_m and masks M_m, per pixel p:
//   value            v(p) = sum g M / sum M
//   standard error   sqrt( sum M^2 (g - v)^2 ) / sum M      (a ratio of means over independent masks)
// where sum M^2 (g - v)^2 = sum g^2 M^2 - 2 v sum g M^2 + v^2 sum M^2, so that three sums a target and two
// sums of the masks alone are enough. All are double precision. Of antithetic masks the pair is the independent unit:
// what is squared is the sum over it, which adds the products within pairs to these sums.

#include <vitrail/tensor.h>

#include <cstdint>

namespace vitrail {

class RiseSums {
 public:
  RiseSums(int64_t targets, int64_t height, int64_t width, bool in_pairs = false);

  /// `masks` [n,1,H,W], `scores` [n,T]; n even where they are in pairs. A mask whose scores are not all finite is left
  /// out and counted, its partner with it.
  void add(const Tensor& masks, const Tensor& scores);

  int64_t masks() const { return masks_; }        ///< that counted
  int64_t left_out() const { return left_out_; }  ///< for a score that is not finite
  Tensor mean_scores() const;                     ///< float64 [T]
  Tensor score_deviations() const;                ///< float64 [T], standard deviation over masks
  /// Float64 [T,H,W]. A pixel that no mask has shown reads the mean score, with the deviation of one score.
  Tensor value() const;
  Tensor standard_error() const;

 private:
  void add_products_in_pairs(const Tensor& masks, const Tensor& scores);

  int64_t height_, width_, masks_ = 0, left_out_ = 0;
  bool in_pairs_;
  Tensor mask_sum_, mask_square_sum_;                     // [HW]: sum M, sum M^2
  Tensor score_sum_, score_square_sum_;                   // [T]: sum g, sum g^2
  Tensor weighted_, weighted_square_, squares_weighted_;  // [T,HW]: sum g M, sum g M^2, sum g^2 M^2
};

}  // namespace vitrail
