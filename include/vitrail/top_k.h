#pragma once

// Top-k intersection and relevance rank: how many of the pixels that the map ranks first lie in the region of the
// target.
//
//   top_k            #(first k of phi in T) / k       k at most the number of pixels
//   relevance_rank   the same with k = #T
//
// Relevance rank is 1 exactly where every pixel of T comes before every other. Of a region smaller than k, top_k cannot
// reach 1: parts["most"] is what a perfect map scores. parts["covered"] is the share of the image that T covers, the
// score of an order drawn at random. A constant map orders nothing: undefined.
//
// Direction   higher is better.
// Cost        none.
// Source      Theiner, Mueller-Budack, Ewerth, Interpretable Semantic Photo Geolocation, WACV 2022 (top-k);
//             Arras, Osman, Samek, CLEVR-XAI, 2022 (relevance rank accuracy).

#include <vitrail/metric.h>
#include <vitrail/pixel_order.h>

#include <cstdint>

namespace vitrail {

struct TopKOptions {
  int64_t k = 1000;  ///< pixels; all of them where the map has fewer
  bool abs = false;  ///< |phi| instead of phi
  Ties ties = Ties::index;
  uint64_t seed = 0;  ///< of ties=random
};

struct RelevanceRankOptions {
  bool abs = false;  ///< |phi| instead of phi
  Ties ties = Ties::index;
  uint64_t seed = 0;  ///< of ties=random
};

MetricScore top_k(const MetricCase& map, const TopKOptions& options = {});
MetricScore relevance_rank(const MetricCase& map, const RelevanceRankOptions& options = {});

}  // namespace vitrail
