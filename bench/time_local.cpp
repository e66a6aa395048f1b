// What a plan gains on images that differ from a known one in a square: milliseconds an image, of whole images in the
// plan's best chunk and of the changes in chunks of 1, 2, 4 and 8, interleaved, medians.
//
//   time_local MODEL SIDE PATCH THREADS [steps]     `steps` lists what runs on parts

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "plan/local.h"
#include "plan/local_schedule.h"
#include "vitrail/graph.h"
#include "vitrail/memory.h"

using namespace vitrail;

namespace {

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

void print_steps(const Plan::Impl& plan, const std::vector<ImagePatch>& rectangles, int64_t patch,
                 bool channels_first) {
  const LocalSchedule schedule = make_schedule(plan, {channels_first}, rectangles, patch, patch);
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    const LocalValue& value = schedule.values[static_cast<size_t>(plan.bound[s].outputs[0])];
    std::printf("%9.1f us  %-24s %s", 1e6 * plan.steps[s].seconds, plan.steps[s].op.c_str(),
                plan.steps[s].details.c_str());
    if (schedule.steps[s].step)
      std::printf("  %lldx%lld of %lldx%lld", static_cast<long long>(value.rows), static_cast<long long>(value.columns),
                  static_cast<long long>(value.height), static_cast<long long>(value.width));
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 5) throw std::invalid_argument("usage: time_local MODEL SIDE PATCH THREADS [steps]");
  constexpr int64_t kBatch = 8;
  use_caching_allocator();
  const int64_t side = std::stoi(argv[2]), patch = std::stoi(argv[3]);
  at::set_num_threads(std::stoi(argv[4]));
  LoadOptions load;
  load.input_size = {side, side};
  const Graph graph = Graph::load(argv[1], load);
  PlanOptions options;
  options.batch = kBatch;
  const Plan::Attempt attempt = Plan::make(graph, graph.inputs()[0].name, graph.outputs()[0].name, options);
  if (!attempt.plan) throw std::runtime_error("no plan: " + attempt.refusal);
  const auto impl = attempt.plan->impl();
  const bool channels_first = impl->input_shape[1].fixed <= 4;
  std::vector<ImagePatch> rectangles;
  for (int64_t top = 0; top + patch <= side; top += patch / 2)
    for (int64_t left = 0; left + patch <= side; left += patch / 2) rectangles.push_back({top, left, patch, patch});
  if (argc > 5) print_steps(*impl, rectangles, patch, channels_first);

  const auto runs = LocalRuns::make(impl, rectangles, channels_first, kBatch);
  if (!runs) throw std::runtime_error("nothing is local");
  std::vector<int64_t> sizes;
  for (const Dim& dim : impl->input_shape) sizes.push_back(dim.at(1));
  const Tensor base = at::randn(sizes);
  runs->set_bases(base);
  std::vector<LocalChange> changes;
  Tensors images;
  for (int64_t i = 0; i < kBatch; ++i) {
    const size_t r = rectangles.size() * static_cast<size_t>(i) / kBatch;
    const Tensor pixels = at::randn({3, patch, patch});
    changes.push_back({r, pixels});
    Tensor image = base.clone();
    const int64_t row = channels_first ? 2 : 1;
    image.narrow(row, rectangles[r].top, patch)
        .narrow(row + 1, rectangles[r].left, patch)
        .copy_(channels_first ? pixels : pixels.permute({1, 2, 0}));
    images.push_back(image);
  }
  const Tensor whole = at::cat(images);
  const std::vector<int64_t> chunks = {1, 2, 4, 8};
  std::vector<std::vector<double>> seconds(chunks.size() + 1);
  Tensor found;
  for (int round = 0; round < 8; ++round)
    for (size_t c = 0; c <= chunks.size(); ++c) {
      if (c < chunks.size()) impl->decisions[{patch, patch}] = chunks[c];
      const double time = seconds_of([&] {
        if (c < chunks.size())
          found = runs->run(changes, false);
        else
          attempt.plan->run(whole);
      });
      if (round > 0) seconds[c].push_back(time / kBatch);
    }
  const Tensor expected = attempt.plan->run(whole);
  const double full = median(seconds.back());
  std::printf("whole %.2f ms (chunk %lld), share %.2f, bases %.1f MB, differs by %.1e\n", 1e3 * full,
              static_cast<long long>(attempt.plan->chunk()), runs->share(0), 1e-6 * runs->bytes_of_bases(),
              ((found - expected).abs().max() / expected.abs().max()).item<double>());
  for (size_t c = 0; c < chunks.size(); ++c)
    std::printf("  chunk %lld: %.2f ms, %.2f times\n", static_cast<long long>(chunks[c]), 1e3 * median(seconds[c]),
                full / median(seconds[c]));
  return 0;
} catch (const std::exception& e) {
  std::cerr << e.what() << "\n";
  return 1;
}
