#include "plan/cuda_graph.h"

#include "vitrail/error.h"

#ifdef VITRAIL_WITH_CUDA_GRAPHS

#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <mutex>
#include <optional>
#include <set>

namespace vitrail::cuda {
namespace {

/// Sizes recorded at most: each keeps its input and outputs, and the driver its kernels' arguments.
constexpr size_t kMostSizes = 16;

struct Recording {
  std::unique_ptr<at::cuda::CUDAGraph> graph = std::make_unique<at::cuda::CUDAGraph>();
  Tensor input;     ///< what the recorded kernels read
  Tensors outputs;  ///< what they write
};

}  // namespace

struct GraphRuns::Impl {
  c10::Device device;
  Function function;
  std::mutex mutex;
  /// Of all recordings: no two of them run at once, and what one leaves for the caller is copied before the next.
  std::optional<c10::MempoolId_t> pool;
  std::map<int64_t, Recording> recordings;
  std::set<int64_t> seen;
  bool can_record = true;
  std::optional<c10::Event> last;  ///< the end of the last replay, on whatever stream

  Impl(const c10::Device& on, Function run) : device(on), function(std::move(run)) {}

  /// False where what the function does cannot be recorded: it waits for the device, or memory runs out.
  bool record(const Tensor& x) {
    Recording recording;
    recording.input = x.clone();
    if (!pool) pool = at::cuda::graph_pool_handle();
    const c10::Stream current = c10::cuda::getCurrentCUDAStream(device.index());
    const c10::Stream side = c10::cuda::getStreamFromPool(false, device.index());
    wait(side, current);
    const bool done = [&] {
      const c10::StreamGuard guard(side);
      try {
        function(recording.input);  // the libraries take memory for every stream
      } catch (const std::exception&) {
        return false;
      }
      return capture(recording);
    }();
    wait(current, side);
    if (done) recordings.emplace(x.size(0), std::move(recording));
    return done;
  }

  /// On the current stream.
  bool capture(Recording& recording) {
    bool done = true;
    try {
      recording.graph->capture_begin(*pool, cudaStreamCaptureModeThreadLocal);
      recording.outputs = function(recording.input);
    } catch (const std::exception&) {
      done = false;
    }
    try {
      recording.graph->capture_end();
    } catch (const std::exception&) {
      done = false;
      give_up(recording);
    }
    return done;
  }

  /// A recording that broke off is not taken out of the allocators' lists by libtorch. They ask it of every stream
  /// whether it is the one that is being recorded, so that it has to stay.
  void give_up(Recording& recording) {
    recording.outputs.clear();
    try {
      c10::cuda::CUDACachingAllocator::endAllocateToPool(device.index(), *pool);
      c10::cuda::CUDACachingAllocator::releasePool(device.index(), *pool);
    } catch (const std::exception&) {  // it was taken out after all
    }
    pool.reset();
    static_cast<void>(recording.graph.release());
  }

  static void wait(const c10::Stream& waiting, const c10::Stream& other) {
    c10::Event event(c10::DeviceType::CUDA);
    event.record(other);
    event.block(waiting);
  }

  Tensors replay(Recording& recording, const Tensor& x) {
    const c10::Stream current = c10::cuda::getCurrentCUDAStream(device.index());
    if (last) last->block(current);
    recording.input.copy_(x, /*non_blocking=*/true);
    recording.graph->replay();
    Tensors values;
    for (const Tensor& output : recording.outputs) values.push_back(output.clone());
    if (!last) last.emplace(c10::DeviceType::CUDA);
    last->record(current);
    return values;
  }

  Tensors run(const Tensor& x) {
    const c10::DeviceGuard guard(device);
    const std::lock_guard lock(mutex);
    const int64_t size = x.size(0);
    if (const auto found = recordings.find(size); found != recordings.end()) return replay(found->second, x);
    if (can_record && !seen.insert(size).second && recordings.size() < kMostSizes) {
      can_record = record(x);
      if (can_record) return replay(recordings.at(size), x);
    }
    return function(x);
  }
};

bool has_graphs() { return true; }

GraphRuns::GraphRuns(const c10::Device& device, Function function)
    : impl_(std::make_unique<Impl>(device, std::move(function))) {}

GraphRuns::~GraphRuns() = default;

Tensors GraphRuns::run(const Tensor& x) { return impl_->run(x); }

int64_t GraphRuns::recorded() const {
  const std::lock_guard lock(impl_->mutex);
  return static_cast<int64_t>(impl_->recordings.size());
}

}  // namespace vitrail::cuda

#else

namespace vitrail::cuda {

struct GraphRuns::Impl {};
bool has_graphs() { return false; }
GraphRuns::GraphRuns(const c10::Device&, Function) { VITRAIL_CHECK(false, "built without CUDA graphs"); }
GraphRuns::~GraphRuns() = default;
Tensors GraphRuns::run(const Tensor&) { return {}; }
int64_t GraphRuns::recorded() const { return 0; }

}  // namespace vitrail::cuda

#endif
