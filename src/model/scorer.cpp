#include "vitrail/scorer.h"

#include <ATen/ops/full.h>
#include <vitrail/error.h>

namespace vitrail {

Tensor Scorer::pixel(double value, int64_t channels) const { return at::full({channels, 1, 1}, value); }

Tensor Scorer::prepare(const std::filesystem::path& photo) const {
  throw UsageError("\"" + photo.string() +
                   "\" cannot be used here: this scorer knows no preprocessing for photos. Take a "
                   "baseline that needs none, such as zero, mean or blur.");
}

}  // namespace vitrail
