#pragma once

// Effective complexity: how many pixels matter.
//
//   value = #{ |phi| > share x max |phi| }
//
// parts["share"] is the value divided by the number of pixels. A map of zeros has no pixel that matters more than
// another: undefined.
//
// Direction   lower is better (simpler), for maps that are equally faithful.
// Cost        none.
// Source      Nguyen and Martinez, On quantitative aspects of model interpretability, 2020. There the threshold is
// found
//             by what the model tolerates; here it is a share of the largest value, as in toolkits.

#include <vitrail/metric.h>

namespace vitrail {

struct EffectiveComplexityOptions {
  double share = 0.05;  ///< of the largest |phi|
};

MetricScore effective_complexity(const MetricCase& map, const EffectiveComplexityOptions& options = {});

}  // namespace vitrail
