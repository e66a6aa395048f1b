#include "attribution/perturbation/contexts.h"

#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <set>

namespace vitrail {
namespace {

class Contexts : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Neighbours, Contexts, testing::Values(0, 1, 2, 3, 4, 5, 7, 8, 11));

TEST_P(Contexts, EachComesOnceAfterItsOpposite) {
  const ContextOrder order(GetParam());
  ASSERT_EQ(order.count(), uint64_t{1} << GetParam());
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < order.count(); ++i) {
    EXPECT_LT(order[i], order.count());
    EXPECT_TRUE(seen.insert(order[i]).second);
    if (i % 2 == 0) continue;
    EXPECT_EQ(order[i] ^ order[i - 1], order.count() - 1);
  }
}

TEST_P(Contexts, TheFirstOnesShowAnyThreeNeighboursInAllWaysEquallyOften) {
  const auto neighbours = static_cast<uint64_t>(GetParam());
  const ContextOrder order(GetParam());
  const uint64_t first = 2 * std::bit_ceil(neighbours);
  for (uint64_t a = 0; a < neighbours; ++a)
    for (uint64_t b = a + 1; b < neighbours; ++b)
      for (uint64_t c = b + 1; c < neighbours; ++c) {
        std::map<uint64_t, uint64_t> ways;
        for (uint64_t i = 0; i < first; ++i)
          ++ways[(order[i] >> a & 1) | (order[i] >> b & 1) << 1 | (order[i] >> c & 1) << 2];
        EXPECT_EQ(ways.size(), 8u);
        for (const auto& [way, times] : ways) EXPECT_EQ(times, first / 8);
      }
}

}  // namespace
}  // namespace vitrail
