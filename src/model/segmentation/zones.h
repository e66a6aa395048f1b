#pragma once

// Zones of a segmentation, on the grid of its output.

#include "vitrail/image.h"
#include "vitrail/preprocess.h"
#include "vitrail/target.h"

namespace vitrail {

/// int64 [h,w]: the class of each cell from scores [K,h,w]; of a single class 0 where its score is above 0, else -1.
Tensor class_map(const Tensor& scores);

/// bool [h,w]: the cells of the same value that are connected with (row, column) by their sides.
Tensor connected_blob(const Tensor& classes, int64_t row, int64_t column);

/// The zone's cells that touch another, by a side or a corner; and the other ones that touch it.
Tensor inner_border(const Tensor& zone);
Tensor outer_border(const Tensor& zone);

/// float [h,w] in [-1,1]: (min(R,G,B) + G - R) / 255 of the part of a picture that the model sees, averaged over each
/// cell: white and green count, red counts negatively, black and blue do not.
Tensor signed_mask(const Image& picture, const Rectangle& placed, int64_t height, int64_t width);

/// sum over cells of mask x score of a class / number of cells where the mask is not 0.
class ZoneTarget : public TargetScore {
 public:
  /// `mask` float [h,w], not 0 everywhere.
  ZoneTarget(const Tensor& mask, int64_t index);
  Tensor score(const ModelOutput& output) const override;

  /// bool [h,w]: the cells that count positively.
  const Tensor& region() const { return region_; }

 private:
  Tensor region_, cells_, weights_;
  int64_t index_;
};

}  // namespace vitrail
