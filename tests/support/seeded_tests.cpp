// Linked into every C++ test: each test draws its random tensors anew from one seed, so that it fails always or never,
// whatever ran before it. --gtest_random_seed=7 gives other draws.

#include <ATen/Context.h>
#include <gtest/gtest.h>

namespace vitrail {
namespace {

class SeedEveryTest : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override {
    at::manual_seed(static_cast<uint64_t>(GTEST_FLAG_GET(random_seed)));
  }
};

/// Listeners can be added before main() runs.
[[maybe_unused]] const bool kIsAdded = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new SeedEveryTest);
  return true;
}();

}  // namespace
}  // namespace vitrail
