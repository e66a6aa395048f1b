#pragma once

// What a plan takes: which way of cutting a batch is fastest, and the bytes and seconds of its steps.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "plan/plan_impl.h"

namespace vitrail {

/// The candidate that takes least, by the median of a few interleaved runs; and that median, if it was timed.
struct Fastest {
  size_t candidate = 0;
  double seconds = 0;
};
Fastest find_fastest(size_t candidates, const std::function<void(size_t candidate)>& run);

/// On a CPU 1, 2, 4, 8 samples and all of them; on a device, where little work leaves most of it idle, 8, 16, 32 and so
/// on.
std::vector<int64_t> possible_chunks(const Plan::Impl& plan, int64_t samples);

/// Of chunks, and side by side where that occupies every thread: what takes least for the batch.
Split fastest_split(Plan::Impl& plan, const Tensor& batch);

/// Bytes and seconds of every step, a sample.
void measure(Plan::Impl& plan, const Tensor& x);

}  // namespace vitrail
