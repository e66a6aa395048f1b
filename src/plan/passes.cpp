#include "plan/passes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>

namespace vitrail {
namespace {

constexpr int64_t kLeast = 8;  ///< fewer samples leave most of a device idle, and take as long

/// Of the next pass where fewer samples are left than a chunk: the size above, or first one of the size below where
/// more than a quarter of the size above would be filled up.
int64_t size_of_rest(int64_t left, int64_t chunk) {
  if (left <= kLeast) return std::min(kLeast, chunk);
  int64_t below = kLeast;
  while (2 * below < left) below *= 2;
  const int64_t above = std::min(2 * below, chunk);
  return 4 * left >= 3 * above ? above : below;
}

}  // namespace

std::vector<Pass> passes_of(int64_t samples, int64_t chunk, const c10::Device& device) {
  std::vector<Pass> passes;
  for (int64_t first = 0; first < samples;) {
    const int64_t left = samples - first, most = std::min(left, chunk);
    const int64_t size = device.is_cpu() || left >= chunk ? most : size_of_rest(left, chunk);
    passes.push_back({first, std::min(most, size), size});
    first += passes.back().samples;
  }
  return passes;
}

Tensor fill_up(const Tensor& x, int64_t size) {
  const int64_t samples = x.size(0);
  if (samples == size) return x;
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes[0] = size;
  Tensor filled = at::empty(sizes, x.options(), x.suggest_memory_format());
  filled.narrow(0, 0, samples).copy_(x);
  filled.narrow(0, samples, size - samples).copy_(x.narrow(0, 0, 1));  // finite where the samples are
  return filled;
}

}  // namespace vitrail
