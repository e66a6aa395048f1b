#pragma once

// Deletion and insertion: hide the pixels that the map ranks highest, step by step, and the score should fall at once;
// show them on an empty image, and it should rise at once.
//
//   k_s = floor(linspace(0, share x H W, steps + 1))          pixels, in the order of the map
//   deletion:  s_t = g(x with the first k_t pixels hidden);   insertion:  s_t = g(baseline with the first k_t shown)
//   value = sum_t (s_t + s_t+1) / 2 / steps                   the area under the curve
//
// All channels of a pixel change together. A map that is constant orders nothing: undefined.
//
// Direction   deletion lower, insertion higher is better; with `lerf` (least relevant first) the other way round.
// Cost        steps + 1 forwards.
// Source      Petsiuk, Das, Saenko, RISE, BMVC 2018; Samek et al., Evaluating the Visualization of What a Deep Neural
//             Network Has Learned, 2017 (pixel flipping).

#include <vitrail/activation.h>
#include <vitrail/baseline.h>
#include <vitrail/metric.h>
#include <vitrail/pixel_order.h>

#include <cstdint>

namespace vitrail {

struct DeletionOptions {
  int64_t steps = 10;  ///< points of the curve less one; -1: every pixel is a step
  double share = 1;    ///< of the pixels that are hidden (or shown) at the end
  Baseline baseline{"black"};
  Activation activation = Activation::automatic;
  bool normalise = false;  ///< scores divided by that of the input
  bool lerf = false;       ///< the least relevant pixels first
  Ties ties = Ties::index;
  uint64_t seed = 0;  ///< of ties=random
};

using InsertionOptions = DeletionOptions;

MetricScore deletion(const MetricCase& map, const DeletionOptions& options = {});
MetricScore insertion(const MetricCase& map, const InsertionOptions& options = {});

}  // namespace vitrail
