#include "plan/timing.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <set>

namespace vitrail {

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double median(std::vector<double>& times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

/// Of the storages behind the tensors, each once.
int64_t bytes_of(std::initializer_list<const Tensors*> lists) {
  std::set<const void*> seen;
  int64_t bytes = 0;
  for (const Tensors* list : lists)
    for (const Tensor& t : *list)
      if (t.defined() && t.has_storage() && seen.insert(t.storage().unsafeGetStorageImpl()).second)
        bytes += static_cast<int64_t>(t.storage().nbytes());
  return bytes;
}

}  // namespace

Fastest find_fastest(size_t candidates, const std::function<void(size_t candidate)>& run) {
  constexpr int kRounds = 5;
  constexpr double kSeconds = 0.5;
  if (candidates == 1) return {};
  std::vector<std::vector<double>> seconds(candidates);
  for (size_t i = 0; i < candidates; ++i) run(i);  // kernels are made for each size
  const double begin = now();
  for (int round = 0; round < kRounds && (round == 0 || now() - begin < kSeconds); ++round)
    for (size_t i = 0; i < candidates; ++i) {
      const double start = now();
      run(i);
      seconds[i].push_back(now() - start);
    }
  Fastest fastest{0, median(seconds[0])};
  for (size_t i = 1; i < candidates; ++i)
    if (const double time = median(seconds[i]); time < fastest.seconds) fastest = {i, time};
  return fastest;
}

std::vector<int64_t> possible_chunks(const Plan::Impl& plan, int64_t samples) {
  std::set<int64_t> chunks = {samples};
  const int64_t least = plan.device.is_cpu() ? 1 : 8, most = plan.device.is_cpu() ? 8 : samples;
  for (int64_t chunk = least; chunk <= most && chunk < samples; chunk *= 2) chunks.insert(chunk);
  return {chunks.begin(), chunks.end()};
}

Split fastest_split(Plan::Impl& plan, const Tensor& batch) {
  const int64_t samples = batch.size(0), threads = plan.device.is_cpu() ? at::get_num_threads() : 1;
  std::vector<Split> splits;
  for (const int64_t chunk : possible_chunks(plan, samples)) splits.push_back({chunk, false});
  for (const int64_t chunk : possible_chunks(plan, samples))
    if (threads > 1 && chunk * threads <= samples) splits.push_back({chunk, true});
  const auto run = [&](size_t i) {
    plan.run(batch, splits[i]);
    plan.wait_for_device();
  };
  for (size_t i = 0; plan.graphs && i < splits.size(); ++i) run(i);  // graphs are made from the second run on
  const Fastest fastest = find_fastest(splits.size(), run);
  plan.seconds = fastest.seconds / static_cast<double>(samples);
  return splits[fastest.candidate];
}

void measure(Plan::Impl& plan, const Tensor& x) {
  const int64_t samples = x.size(0);
  double last = now();
  plan.run_chunk(x, [&](size_t step, const Tensors& out, const Tensors& in, const Tensors& slots) {
    plan.wait_for_device();
    plan.steps[step].seconds = (now() - last) / static_cast<double>(samples);
    plan.steps[step].bytes = bytes_of({&out}) / samples;
    plan.bytes_per_sample = std::max(plan.bytes_per_sample, bytes_of({&out, &in, &slots}) / samples);
    last = now();
  });
}

}  // namespace vitrail
