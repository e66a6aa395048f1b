#include "plan/passes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace vitrail {
namespace {

using ::testing::ElementsAre;

const c10::Device cpu(c10::kCPU), device(c10::kCUDA, 0);

TEST(Passes, OnACpuBringWhatThereIs) {
  EXPECT_THAT(passes_of(19, 8, cpu), ElementsAre(Pass{0, 8, 8}, Pass{8, 8, 8}, Pass{16, 3, 3}));
  EXPECT_THAT(passes_of(3, 8, cpu), ElementsAre(Pass{0, 3, 3}));
}

TEST(Passes, OnADeviceHaveSizesThatComeAgain) {
  EXPECT_THAT(passes_of(128, 64, device), ElementsAre(Pass{0, 64, 64}, Pass{64, 64, 64}));
  EXPECT_THAT(passes_of(104, 64, device), ElementsAre(Pass{0, 64, 64}, Pass{64, 32, 32}, Pass{96, 8, 8}));
  EXPECT_THAT(passes_of(51, 64, device), ElementsAre(Pass{0, 51, 64}));
  EXPECT_THAT(passes_of(47, 64, device), ElementsAre(Pass{0, 32, 32}, Pass{32, 15, 16}));
  EXPECT_THAT(passes_of(17, 64, device), ElementsAre(Pass{0, 16, 16}, Pass{16, 1, 8}));
  EXPECT_THAT(passes_of(1, 64, device), ElementsAre(Pass{0, 1, 8}));
  EXPECT_THAT(passes_of(4, 3, device), ElementsAre(Pass{0, 3, 3}, Pass{3, 1, 3}));
  EXPECT_THAT(passes_of(190, 200, device), ElementsAre(Pass{0, 190, 200}));
  EXPECT_THAT(passes_of(131, 200, device), ElementsAre(Pass{0, 128, 128}, Pass{128, 3, 8}));
}

TEST(Passes, CoverEverySampleOnceInFewSizes) {
  for (const int64_t chunk : {1, 5, 8, 12, 64, 200, 512}) {
    std::set<int64_t> sizes;
    for (int64_t samples = 1; samples <= 1100; ++samples) {
      int64_t next = 0, computed = 0;
      for (const Pass& pass : passes_of(samples, chunk, device)) {
        ASSERT_EQ(pass.first, next);
        ASSERT_GE(pass.samples, 1);
        ASSERT_LE(pass.samples, pass.size);
        ASSERT_LE(pass.size, chunk);
        next += pass.samples;
        computed += pass.size;
        sizes.insert(pass.size);
      }
      ASSERT_EQ(next, samples);
      ASSERT_LE(3 * computed, 4 * samples + 3 * 8) << samples << " by " << chunk;
    }
    EXPECT_LE(sizes.size(), 7U) << chunk;
  }
}

TEST(Passes, AreFilledUpByTheFirstSample) {
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const Tensor x = at::randn({3, 4, 5, 6}).contiguous(format), filled = fill_up(x, 8);
    EXPECT_THAT(filled.sizes().vec(), ElementsAre(8, 4, 5, 6));
    EXPECT_TRUE(filled.is_contiguous(format));
    EXPECT_TRUE(at::equal(filled.narrow(0, 0, 3), x));
    for (int64_t i = 3; i < 8; ++i) EXPECT_TRUE(at::equal(filled[i], x[0]));
  }
  const Tensor rows = at::randn({4, 7});
  EXPECT_TRUE(fill_up(rows, 4).is_same(rows));
  EXPECT_TRUE(at::equal(fill_up(rows, 5).narrow(0, 0, 4), rows));
}

}  // namespace
}  // namespace vitrail
