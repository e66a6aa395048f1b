#pragma once

// Cell values to images: the regions of one input, what hides them and how.
//
//   inpainting         x M + (1 - M) b      fades each region towards the baseline (default)
//   amplitude          x + (M - 1/2)        shifts each region by up to half a unit of input space
//   amplitude_legacy   x (M - 1/2)          what reference implementations of `amplitude` compute

#include <vitrail/baseline.h>
#include <vitrail/local_scorer.h>
#include <vitrail/perturbation.h>
#include <vitrail/regions.h>
#include <vitrail/scorer.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "attribution/perturbation/fill.h"

namespace vitrail {

class Perturber {
 public:
  Perturber(const Tensor& input, const Scorer& scorer, const Regions& regions, int64_t grid, const Baseline& baseline,
            Operation operation = Operation::inpainting);

  int64_t cells() const { return regions_.count; }
  const LabelMap& regions() const { return regions_; }
  const Fill& fill() const { return fill_; }

  /// [n,d] -> [n,1,H,W]: every pixel takes its region's value.
  Tensor masks(const Tensor& cells) const;

  /// [n,d] of values in [0,1] -> images [n,C,H,W]. `points` as in Fill::values; empty: 0 .. n - 1.
  Tensor images(const Tensor& cells, std::span<const int64_t> points = {}) const;

  /// The rectangle around each region.
  std::vector<ImagePatch> rectangles() const;

  /// False where hidden pixels depend on all of the mask, so that a change of one region may change others.
  bool is_local() const { return !fill_.depends_on_mask(); }

  /// images() of one image, in a rectangle: levels [d] -> [C,height,width].
  Tensor part(const Tensor& levels, const ImagePatch& rectangle, int64_t point) const;

  /// Sums of `values` [n,C,H,W] (any C) over the pixels and channels of each region: [n,d].
  Tensor sum_by_region(const Tensor& values) const;

  /// d images / d cells, of each pixel in the direction of its own region's value, for masks [n,1,H,W]: broadcastable
  /// to [n,C,H,W].
  Tensor slope(const Tensor& masks, std::span<const int64_t> points = {}) const;

  /// Values [d] as a map [H,W]: a grid by bicubic enlargement, other regions flat.
  Tensor map(const Tensor& values) const;

  /// Values [d] as they are kept in results: [grid,grid], or [1,d] for other regions.
  Tensor native(const Tensor& values) const;

 private:
  /// The pixels `input` under a mask, with `hidden` where it is zero.
  Tensor perturb(const Tensor& input, const Tensor& mask, const Tensor& hidden) const;

  Tensor input_;
  LabelMap regions_;
  Fill fill_;
  Operation operation_;
};

}  // namespace vitrail
