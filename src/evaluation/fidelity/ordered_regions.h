#pragma once

// Regions of a photo in the order of a map, hidden or shown one after the other.

#include <vitrail/baseline.h>
#include <vitrail/metric.h>
#include <vitrail/tensor.h>

#include <cstdint>

#include "evaluation/case_run.h"

namespace vitrail {

inline constexpr const char* kNoOrder = "the map says the same of all regions";

/// int64 [height,width]: squares of `patch` pixels from the upper left; those at the other border are smaller.
Tensor square_labels(int64_t height, int64_t width, int64_t patch);

/// The scores with 0, 1 ... `most` regions hidden, those first of which `map` says most by its mean, float64. Undefined
/// where the map does not order the regions.
Tensor hide_regions(CaseRun& run, const MetricCase& map, const Tensor& labels, int64_t most, const Baseline& baseline);

/// The scores with 0, 1 ... all regions shown and the others hidden, those first of which `map` says least.
Tensor show_regions(CaseRun& run, const MetricCase& map, const Tensor& labels, const Baseline& baseline);

}  // namespace vitrail
