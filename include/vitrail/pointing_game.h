#pragma once

// Pointing game: is the pixel that the map ranks first in the region of the target?
//
//   value = 1 where argmax phi lies in T, or within `tolerance` pixels of it (Euclidean, between pixel centres), else 0
//
// Its mean over photos is the accuracy of the pointing game. parts["covered"] is the share of the image that T covers:
// what a pixel drawn at random scores with tolerance 0. A constant map points nowhere: undefined.
//
// Direction   higher is better.
// Cost        none.
// Source      Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016 (tolerance 15 there).

#include <vitrail/metric.h>
#include <vitrail/pixel_order.h>

#include <cstdint>

namespace vitrail {

struct PointingGameOptions {
  int64_t tolerance = 0;  ///< pixels of the map between the first pixel and the region
  bool abs = false;       ///< |phi| instead of phi
  Ties ties = Ties::index;
  uint64_t seed = 0;  ///< of ties=random
};

MetricScore pointing_game(const MetricCase& map, const PointingGameOptions& options = {});

}  // namespace vitrail
