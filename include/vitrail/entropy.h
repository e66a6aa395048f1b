#pragma once

// Entropy of a map: over how many pixels the relevance is spread.
//
//   p = |phi| / sum |phi|,   value = -sum p log p       natural logarithm, 0 log 0 = 0
//
// 0 where one pixel has all, log(H W) where all have the same. parts["relative"] is the value divided by log(H W), for
// maps of different sizes. A map of zeros has no distribution: undefined.
//
// Direction   lower is better (simpler), for maps that are equally faithful.
// Cost        none.
// Source      Bhatt, Weller, Moura, Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020
//             (complexity).

#include <vitrail/metric.h>

namespace vitrail {

struct EntropyOptions {};

MetricScore entropy(const MetricCase& map, const EntropyOptions& options = {});

}  // namespace vitrail
