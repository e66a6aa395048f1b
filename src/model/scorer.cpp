#include "vitrail/scorer.h"

#include <ATen/ops/full.h>

namespace vitrail {

Tensor Scorer::pixel(double value, int64_t channels) const { return at::full({channels, 1, 1}, value); }

}  // namespace vitrail
