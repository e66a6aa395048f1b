#pragma once

// How a batch is cut into passes.
//
// On a CPU a pass brings what there is. On a device a number of samples that comes for the first time has its libraries
// choose and load kernels for each layer, which can take as long as hundreds of passes (2 s for mobilenet_v2, where a
// pass of 64 takes 4 ms), and it needs a graph of its own. Passes there have one of a few sizes: the chunk, and powers
// of two below it; what is missing to the size of the last pass is filled up.

#include <c10/core/Device.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <vector>

namespace vitrail {

struct Pass {
  int64_t first = 0, samples = 0;  ///< of the batch
  int64_t size = 0;                ///< samples that the pass computes: `samples`, or more on a device
  bool operator==(const Pass&) const = default;
};

std::vector<Pass> passes_of(int64_t samples, int64_t chunk, const c10::Device& device);

/// [N,...] with its first sample again and again behind it, up to a number: `x` itself where it has as many.
Tensor fill_up(const Tensor& x, int64_t size);

}  // namespace vitrail
