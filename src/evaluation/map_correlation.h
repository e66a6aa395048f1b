#pragma once

#include <vitrail/tensor.h>

namespace vitrail {

/// Spearman's correlation of two maps of one size, over their pixels; NaN where one is constant.
double map_correlation(const Tensor& a, const Tensor& b);

}  // namespace vitrail
