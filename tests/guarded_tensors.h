#pragma once

// libtorch is not instrumented, so its kernels may write behind a tensor unseen. Here every tensor's memory ends at a
// page that nobody may write to (up to 63 bytes before it, for alignment): a kernel that runs over is caught in the
// act. Reading there is allowed: convolutions of oneDNN load whole vectors at the end.

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <cstddef>
#include <mutex>
#include <unordered_map>

namespace vitrail::testing {

class GuardedTensors final : public c10::Allocator {
 public:
  static void use() {
    static GuardedTensors allocator;
    c10::SetCPUAllocator(&allocator, /*priority=*/2);
  }

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &release, c10::Device(c10::kCPU)};
    TORCH_CHECK_WITH(OutOfMemoryError, bytes <= kMost, "can't allocate memory: ", bytes, " bytes");
    TORCH_CHECK_WITH(OutOfMemoryError, count() < kMostTensors, "can't allocate memory: ", bytes, " bytes beside ",
                     kMostTensors, " tensors");
    const size_t used = round_up(bytes, kAlignment), mapped = round_up(used, kPage);
    void* begin = mmap(nullptr, mapped + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TORCH_CHECK_WITH(OutOfMemoryError, begin != MAP_FAILED, "can't allocate memory: ", bytes, " bytes");
    auto* end = static_cast<char*>(begin) + mapped;
    mprotect(end, kPage, PROT_READ);
    void* data = end - used;
    const std::lock_guard lock(mutex());
    mappings()[data] = {begin, mapped + kPage};
    return {data, data, &release, c10::Device(c10::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* to, const void* from, size_t count) const override { default_copy_data(to, from, count); }

 private:
  struct Mapping {
    void* begin;
    size_t bytes;
  };
  static constexpr size_t kPage = 4096, kAlignment = 64, kMost = 32 << 20;
  static constexpr size_t kMostTensors = 16384;  ///< two mappings each, of the 65530 that Linux gives a process

  static size_t round_up(size_t value, size_t step) { return (value + step - 1) / step * step; }

  static std::mutex& mutex() {
    static auto* mutex = new std::mutex;  // tensors in static variables outlive every other owner
    return *mutex;
  }
  static std::unordered_map<void*, Mapping>& mappings() {
    static auto* mappings = new std::unordered_map<void*, Mapping>;
    return *mappings;
  }

  static size_t count() {
    const std::lock_guard lock(mutex());
    return mappings().size();
  }

  static void release(void* data) {
    if (data == nullptr) return;
    const std::lock_guard lock(mutex());
    const auto found = mappings().find(data);
    munmap(found->second.begin, found->second.bytes);
    mappings().erase(found);
  }
};

}  // namespace vitrail::testing
