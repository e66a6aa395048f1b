#pragma once

// Noisy copies of an input: what SmoothGrad and its relatives sample.

#include <vitrail/tensor.h>

#include <cstdint>

namespace vitrail {

/// Standard normal numbers for samples first .. first + count - 1 of an input [C,H,W]: [count,C,H,W]. Those of sample i
/// are a function of (seed, i).
Tensor draw_noise(const Tensor& input, uint64_t seed, int64_t first, int64_t count);

}  // namespace vitrail
