#pragma once

// Gini index of a map: how unequally the relevance is spread.
//
//   v = |phi| in ascending order, d = H W
//   value = sum_i (2 i - d - 1) v_i / (d sum v)
//
// 0 where all pixels have the same, 1 - 1/d where one has all. A map of zeros has nothing to share: undefined.
//
// Direction   higher is better (sparser), for maps that are equally faithful.
// Cost        none.
// Source      Chalasani et al., Concise Explanations of Neural Networks using Adversarial Training, ICML 2020
//             (sparseness).

#include <vitrail/metric.h>

namespace vitrail {

struct GiniOptions {};

MetricScore gini(const MetricCase& map, const GiniOptions& options = {});

}  // namespace vitrail
