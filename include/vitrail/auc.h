#pragma once

// Area under the ROC curve of a map as a detector of the target's region.
//
//   value = P(phi of a pixel of T > phi of a pixel outside) + P(they are equal) / 2
//
// Computed by ranks, exactly; equal values take the mean of their ranks. 1 where T comes first, 0 where it comes last,
// 1/2 by chance whatever the size of T, and so for a constant map. A region that is the whole image has no outside:
// undefined. parts["covered"] is the share of the image that T covers.
//
// Direction   higher is better.
// Cost        none.
// Source      Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 2006.

#include <vitrail/metric.h>

namespace vitrail {

struct AucOptions {
  bool abs = false;  ///< |phi| instead of phi
};

MetricScore auc(const MetricCase& map, const AucOptions& options = {});

}  // namespace vitrail
