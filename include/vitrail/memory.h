#pragma once

// Memory of tensors on the CPU: kept for the next tensor instead of returned to the system, and limited.
//
//   vitrail::use_caching_allocator();            // once, before the first tensor, by the program
//   vitrail::limit_memory(1'000'000'000);        // of the whole process, as the system counts it
//
// libtorch asks the system for every tensor, which for a forward of a network costs up to a third of its time (fresh
// pages come zeroed, one by one). The caching allocator takes freed blocks again. It replaces libtorch's for the whole
// process, so that a library must not do it by itself: the command does, other programs may.
//
// The limit holds at every request for memory by a tensor: a request that would carry the process beyond it fails as it
// does on a machine with no memory left, and what runs then takes smaller batches or ends with a MachineError.
// All functions may be called from several threads at once, but the allocator is to be set before other threads exist.

#include <cstdint>

namespace vitrail {

/// Later calls do nothing.
void use_caching_allocator();

/// Bytes that the process may hold in memory (its resident set); 0: no limit. Needs the caching allocator (UsageError).
void limit_memory(int64_t bytes);

struct MemoryUse {
  int64_t resident = 0;  ///< of the process, as the system counts it
  int64_t live = 0;      ///< bytes of tensors made since the caching allocator was set
  int64_t kept = 0;      ///< bytes of freed blocks that wait for the next tensor
};
MemoryUse memory_use();

/// Gives kept blocks back to the system.
void release_kept_memory();

}  // namespace vitrail
