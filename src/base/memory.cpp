#include "vitrail/memory.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/display.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// As the system counts it; 0 where the system does not say.
int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0, resident = 0;
  return file >> total >> resident ? resident * sysconf(_SC_PAGESIZE) : 0;
}

/// In front of every block, so that it is known again when it is freed.
struct alignas(64) Header {
  size_t size;  ///< of the block, header included
};

constexpr size_t kMapped = size_t{1} << 20;  ///< from here on blocks are the system's own, and return to it when freed

constexpr int64_t kReserve = 16;  ///< this part of a limit is left to what comes between two requests of tensors

/// Four sizes between a power of two and the next: a block wastes a fifth at most, and is found again.
size_t round_up(size_t bytes) {
  constexpr size_t kSmallest = 256;
  if (bytes <= kSmallest) return kSmallest;
  const size_t step = std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

class CachingAllocator : public c10::Allocator {
 public:
  static CachingAllocator& instance() {
    static auto* allocator = new CachingAllocator;  // tensors in static variables outlive every other owner
    return *allocator;
  }

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &deallocate, c10::Device(c10::kCPU)};
    const size_t size = round_up(bytes + sizeof(Header));
    void* data = static_cast<Header*>(take(size, bytes)) + 1;
    return {data, data, &deallocate, c10::Device(c10::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &deallocate; }
  void copy_data(void* to, const void* from, size_t count) const override { default_copy_data(to, from, count); }

  void limit(int64_t bytes) {
    const std::lock_guard lock(mutex_);
    limit_ = bytes - bytes / kReserve;
    other_ = std::max<int64_t>(0, resident_bytes() - live_ - kept_bytes_);
  }

  MemoryUse use() {
    const std::lock_guard lock(mutex_);
    return {resident_bytes(), live_, kept_bytes_};
  }

  void release() {
    const std::lock_guard lock(mutex_);
    release_kept();
  }

 private:
  static void deallocate(void* data) {
    if (data) instance().give(static_cast<Header*>(data) - 1);
  }

  void* take(size_t size, size_t asked) {
    const std::lock_guard lock(mutex_);
    Header* block = nullptr;
    if (auto found = kept_.find(size); found != kept_.end()) {
      block = found->second.back();
      found->second.pop_back();
      if (found->second.empty()) kept_.erase(found);
      kept_bytes_ -= static_cast<int64_t>(size);
    } else {
      check_limit(size, asked);
      block = fresh(size);
      if (!block) {
        release_kept();
        block = fresh(size);
      }
      TORCH_CHECK_WITH(OutOfMemoryError, block, "can't allocate memory: ", show_bytes(static_cast<int64_t>(asked)),
                       " were asked for");
    }
    block->size = size;
    live_ += static_cast<int64_t>(size);
    return block;
  }

  void give(Header* block) {
    const std::lock_guard lock(mutex_);
    const size_t size = block->size;
    live_ -= static_cast<int64_t>(size);
    kept_[size].push_back(block);
    kept_bytes_ += static_cast<int64_t>(size);
  }

  /// Throws where `size` more bytes would carry the process beyond the limit. All blocks count as resident; what else
  /// the process holds is what it had at most, since the limit was set, beside them.
  void check_limit(size_t size, size_t asked) {
    if (limit_ == 0) return;
    const auto more = static_cast<int64_t>(size);
    if (size >= kMapped) other_ = std::max(other_, resident_bytes() - live_ - kept_bytes_);
    if (live_ + kept_bytes_ + other_ + more <= limit_) return;
    release_kept();
    TORCH_CHECK_WITH(OutOfMemoryError, live_ + other_ + more <= limit_,
                     "can't allocate memory: ", show_bytes(static_cast<int64_t>(asked)),
                     " were asked for, the process holds ", show_bytes(live_ + other_), " and may hold ",
                     show_bytes(limit_));
  }

  static Header* fresh(size_t size) {
    if (size < kMapped) return static_cast<Header*>(std::aligned_alloc(alignof(Header), size));
    void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? nullptr : static_cast<Header*>(block);
  }

  void release_kept() {
    for (auto& [size, blocks] : kept_)
      for (Header* block : blocks) size < kMapped ? std::free(block) : static_cast<void>(munmap(block, size));
    kept_.clear();
    kept_bytes_ = 0;
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<Header*>> kept_;  ///< freed blocks by size
  int64_t live_ = 0, kept_bytes_ = 0;
  int64_t limit_ = 0, other_ = 0;
};

bool& is_set() {
  static bool set = false;
  return set;
}

}  // namespace

void use_caching_allocator() {
  if (is_set()) return;
  is_set() = true;
  c10::SetCPUAllocator(&CachingAllocator::instance());
}

void limit_memory(int64_t bytes) {
  if (!is_set()) throw UsageError("limit_memory() was called before use_caching_allocator().");
  CachingAllocator::instance().limit(bytes);
}

MemoryUse memory_use() { return is_set() ? CachingAllocator::instance().use() : MemoryUse{resident_bytes(), 0, 0}; }

void release_kept_memory() {
  if (is_set()) CachingAllocator::instance().release();
}

}  // namespace vitrail
