#pragma once

// What the metrics of complexity look at: how large the relevance is, whatever its sign.

#include <vitrail/metric.h>
#include <vitrail/tensor.h>

#include <functional>

namespace vitrail {

/// `judge(|phi| [H W] in float64)`; undefined for a map of zeros.
MetricScore judge_magnitudes(const MetricCase& map, const std::function<MetricScore(const Tensor&)>& judge);

}  // namespace vitrail
