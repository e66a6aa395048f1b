#pragma once

// Human alignment: does the map look where people look?
//
//   human_spearman   rank correlation of the map and the human map over the pixels; equal values take their mean rank
//   human_iou        intersection over union of what lies above the percentile q of each
//   human_dice       twice the intersection over the sum of the same regions
//
// Regions are cut as in vitrail/iou.h: above the percentile by linear interpolation, or where nothing is, the maximum.
// A map that is constant, of the model or of people, orders nothing: undefined.
//
// People do not agree with each other either: read a mean beside human_ceiling(), of as many photos and by the same
// people. All of these reward maps that are smooth and in the middle of the image; compare methods with equal
// smoothing, and with a Gaussian in the middle.
//
// Direction   higher is better.
// Cost        none.
// Source      Fel et al., Harmonizing the object recognition strategies of deep neural networks with humans, NeurIPS
//             2022.

#include <vitrail/metric.h>
#include <vitrail/tensor.h>

namespace vitrail {

struct HumanSpearmanOptions {
  bool abs = false;  ///< |phi| instead of phi
};

struct HumanIouOptions {
  double percentile = 90;  ///< of the values of each map
  bool abs = false;        ///< |phi| instead of phi
};

using HumanDiceOptions = HumanIouOptions;

MetricScore human_spearman(const MetricCase& map, const HumanSpearmanOptions& options = {});
MetricScore human_iou(const MetricCase& map, const HumanIouOptions& options = {});
MetricScore human_dice(const MetricCase& map, const HumanDiceOptions& options = {});

/// How well people predict each other, by rank correlation.
struct HumanCeiling {
  double pairwise = 0;       ///< mean over the pairs of people
  double leave_one_out = 0;  ///< mean over people, of each with the mean map of the others
};

/// Of maps [K,H,W] of one photo by K >= 2 people, each scaled as it is to count in the mean. NaN where a map (or a
/// mean) is constant.
HumanCeiling human_ceiling(const Tensor& maps);

}  // namespace vitrail
