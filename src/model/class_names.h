#pragma once

// Classes by index, label or rank.

#include <string>
#include <vector>

#include "vitrail/tensor.h"

namespace vitrail {

/// `scores` [K] decide which class "top2" is. Throws UsageError for a name that is none, with the nearest ones.
int64_t find_class(const std::string& name, const Tensor& scores, const std::vector<std::string>& labels);

/// Empty where there is none.
std::string label_of(int64_t index, const std::vector<std::string>& labels);

}  // namespace vitrail
