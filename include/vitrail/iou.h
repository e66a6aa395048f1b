#pragma once

// IoU and Dice: the map is cut at a percentile of its own values, and what lies above is compared with the region of
// the target.
//
//   A = pixels above the percentile q of phi (linear interpolation)
//   iou = #(A and T) / #(A or T)        dice = 2 #(A and T) / (#A + #T)
//
// Values equal to the percentile are below it, so that a map that is flat but for a few pixels selects those. Where
// nothing lies above, more than 100 - q % of the pixels share the maximum, and they are A. parts["selected"] is the
// share of the image in A, parts["covered"] that in T. A constant map selects nothing before another: undefined.
//
// Direction   higher is better.
// Cost        none.
// Source      Jaccard 1912; Dice 1945.

#include <vitrail/metric.h>

namespace vitrail {

struct IouOptions {
  double percentile = 90;  ///< of the map's values
  bool abs = false;        ///< |phi| instead of phi
};

using DiceOptions = IouOptions;

MetricScore iou(const MetricCase& map, const IouOptions& options = {});
MetricScore dice(const MetricCase& map, const DiceOptions& options = {});

}  // namespace vitrail
