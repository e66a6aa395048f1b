#pragma once

// What the metrics of localisation share: the relevance, and the region that the target is in.

#include <vitrail/metric.h>
#include <vitrail/pixel_order.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "evaluation/abs_row.h"
#include "evaluation/pixel_order.h"

namespace vitrail {

struct Region {
  Tensor relevance;    ///< float64 [H,W]
  Tensor truth;        ///< bool [H,W], not empty
  int64_t pixels = 0;  ///< of the truth
  double covered = 0;  ///< share of the image

  /// How many of the first `count` pixels of the map are in the truth.
  int64_t hits(int64_t count, Ties ties, uint64_t seed) const;
};

/// `judge(region)` with parts["covered"] added; undefined for a truth that is empty. UsageError for one that is not
/// bool.
MetricScore localise(const MetricCase& map, bool abs, const std::function<MetricScore(const Region&)>& judge);

template <class Options>
std::vector<Option<Options>> order_rows() {
  return {choice("ties", &Options::ties, "order of equal values", {{"index", Ties::index}, {"random", Ties::random}}),
          option("seed", &Options::seed, "seed of ties=random")};
}

}  // namespace vitrail
