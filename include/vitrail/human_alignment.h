#pragma once

// Human alignment: does the map look where people look?
//
//   human_spearman   rank correlation of the map and the human map over the pixels; equal values take their mean rank
//   human_partial_spearman   the same correlation with what both have in common with the middle of the photo taken out:
//                            (r_mp - r_mc r_pc) / sqrt((1 - r_mc^2) (1 - r_pc^2)), with r the rank correlations of map,
//                            people and centre (nearness to the middle; as ranks, a Gaussian of any width)
//   human_iou        intersection over union of what lies above the percentile q of each
//   human_dice       twice the intersection over the sum of the same regions
//
// Regions are cut as in vitrail/iou.h: above the percentile by linear interpolation, or where nothing is, the maximum.
// A map that is constant, of the model or of people, orders nothing: undefined. So is the partial correlation where one
// of them orders the pixels as the centre does, or the other way round: nothing is left of it.
//
// People do not agree with each other either: read a mean beside human_ceiling(), of the same photos and people. All of
// these reward maps that are smooth and in the middle of the image; compare methods with equal
// smoothing, and with a Gaussian in the middle; human_partial_spearman is free of the latter, not of the former.
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

using HumanPartialSpearmanOptions = HumanSpearmanOptions;

struct HumanIouOptions {
  double percentile = 90;  ///< of the values of each map
  bool abs = false;        ///< |phi| instead of phi
};

using HumanDiceOptions = HumanIouOptions;

MetricScore human_spearman(const MetricCase& map, const HumanSpearmanOptions& options = {});
MetricScore human_partial_spearman(const MetricCase& map, const HumanPartialSpearmanOptions& options = {});
MetricScore human_iou(const MetricCase& map, const HumanIouOptions& options = {});
MetricScore human_dice(const MetricCase& map, const HumanDiceOptions& options = {});

/// [H,W]: the mean over people of their maps [K,H,W], each divided by its standard deviation, so that everyone
/// counts alike whatever the units. A map that is constant counts for nothing.
Tensor mean_human_map(const Tensor& maps);

/// How well people predict each other: the mean over people of the score that the map of each gets where people look as
/// the mean map of the others says (leave one out). `metric` is one of the above, `maps` are [K,H,W] of K >= 2 people.
/// A method is compared with the mean of all, and the map of one person holds the noise of one: a method can score
/// higher. People without a score are left out; undefined where nobody has one.
MetricScore human_ceiling(const Metric& metric, const Tensor& maps);

}  // namespace vitrail
