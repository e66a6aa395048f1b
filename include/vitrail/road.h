#pragma once

// ROAD, remove and debias: pixels are not blackened but imputed from their neighbours, so that the network does not see
// that something is missing.
//
//   for k = 1 .. steps:  the share k / (steps + 1) of the pixels is removed, each the weighted mean of its neighbours
//                        (1/6 beside, 1/12 across) plus noise; s_k is the score then
//   morf      mean of s_k with the most relevant pixels removed first    lower is better
//   lerf      mean of s_k with the least relevant removed first          higher is better
//   combined  (lerf - morf) / 2                                          higher is better
//
// One sparse linear system a share, solved for all channels together.
//
// Cost        steps forwards (combined: twice as many).
// Undefined   for a constant map.
// Source      Rong, Leemann, Borisov, Kasneci, Kasneci, A Consistent and Efficient Evaluation Strategy for Attribution
//             Methods, ICML 2022.

#include <vitrail/activation.h>
#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

enum class RemovalOrder { combined, morf, lerf };

struct RoadOptions {
  int64_t steps = 9;  ///< shares removed: 10 %, 20 % ... 90 %
  RemovalOrder order = RemovalOrder::combined;
  double noise = 0.01;  ///< standard deviation, as a share of the input's range
  Activation activation = Activation::automatic;
  uint64_t seed = 1;
};

MetricScore road(const MetricCase& map, const RoadOptions& options = {});

}  // namespace vitrail
