#include "vitrail/memory.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "vitrail/error.h"
#include "vitrail/tensor.h"

namespace vitrail {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMegabyte = 1'000'000;

class MemoryTest : public ::testing::Test {
 protected:
  void SetUp() override { use_caching_allocator(); }
  void TearDown() override {
    limit_memory(0);
    release_kept_memory();
  }
};

/// So that tensors may take this much more; a 16th of a limit is kept in reserve.
void limit_to(int64_t room) {
  release_kept_memory();
  limit_memory((memory_use().resident + room) / 15 * 16);
}

Tensor bytes(int64_t count) { return at::empty({count}, at::kByte); }

TEST_F(MemoryTest, TakesFreedBlocksAgain) {
  void* first = nullptr;
  for (const int64_t size : {int64_t{100}, 3 * kMegabyte}) {
    {
      const Tensor t = bytes(size);
      first = t.data_ptr();
    }
    const int64_t kept = memory_use().kept;
    EXPECT_GE(kept, size);
    const Tensor again = bytes(size - 3);
    EXPECT_EQ(again.data_ptr(), first);
    EXPECT_LT(memory_use().kept, kept);
  }
}

TEST_F(MemoryTest, CountsWhatIsAliveAndGivesBackWhatIsNot) {
  const MemoryUse before = memory_use();
  {
    const Tensor t = at::ones({25 * kMegabyte}, at::kByte);
    EXPECT_GE(memory_use().live, before.live + 25 * kMegabyte);
    EXPECT_GE(memory_use().resident, before.resident + 20 * kMegabyte);
  }
  EXPECT_EQ(memory_use().live, before.live);
  release_kept_memory();
  EXPECT_EQ(memory_use().kept, 0);
  EXPECT_LT(memory_use().resident, before.resident + 10 * kMegabyte);
}

TEST_F(MemoryTest, BlocksAreAlignedAndDoNotOverlap) {
  std::vector<Tensor> tensors;
  for (int64_t size = 1; size < 5000; size = size * 3 / 2 + 1) tensors.push_back(bytes(size).fill_(size % 251));
  for (const Tensor& t : tensors) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(t.data_ptr()) % 64, 0u);
    EXPECT_TRUE(t.eq(t.numel() % 251).all().item<bool>());
  }
  EXPECT_EQ(bytes(0).numel(), 0);
}

TEST_F(MemoryTest, RefusesWhatWouldPassTheLimit) {
  limit_to(50 * kMegabyte);
  const Tensor fits = at::zeros({20 * kMegabyte}, at::kByte);
  try {
    bytes(60 * kMegabyte);
    FAIL() << "60 MB where 30 MB are left";
  } catch (const c10::OutOfMemoryError& error) {
    EXPECT_THAT(error.what(), HasSubstr("60 MB were asked for"));
  }
  const Tensor smaller = bytes(10 * kMegabyte);  // the allocator goes on
  limit_memory(0);
  EXPECT_EQ(bytes(60 * kMegabyte).numel(), 60 * kMegabyte);
}

TEST_F(MemoryTest, KeptBlocksMakeRoomForOthers) {
  limit_to(50 * kMegabyte);
  for (int64_t size = 10; size < 40; size += 5) at::zeros({size * kMegabyte}, at::kByte);  // each another block
  EXPECT_LE(memory_use().kept, 50 * kMegabyte);
}

TEST_F(MemoryTest, ServesSeveralThreads) {
  const int64_t before = memory_use().live;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int64_t i = 1; i < 500; ++i) {
        const Tensor mine = bytes(100 * i + t).fill_(t);
        EXPECT_TRUE(mine.eq(t).all().item<bool>());
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory_use().live, before);
}

}  // namespace
}  // namespace vitrail
