#include "evaluation/ssim.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vitrail {
namespace {

TEST(Ssim, IsThatOfTheUsualImplementation) {
  // scikit-image 0.26: structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False).
  const Tensor place = at::arange(16 * 20, at::kDouble).view({16, 20});
  const Tensor a = (place * 0.37).sin() + (place * 1.3).cos() * 0.1, b = (place * 0.37 + 0.4).sin() * 0.8;
  EXPECT_NEAR(ssim(a, b), 0.6184590690728347, 1e-12);
  EXPECT_NEAR(ssim(b, a), 0.6184590690728347, 1e-12);
  EXPECT_NEAR(ssim(a * 1e200, b * 1e200), 0.6184590690728347, 1e-12);  // of the range only
}

TEST(Ssim, OfAMapWithItselfIsOne) {
  const Tensor map = at::rand({13, 17});
  EXPECT_DOUBLE_EQ(ssim(map, map), 1);
  EXPECT_EQ(ssim(at::full({4, 5}, 0.3f), at::full({4, 5}, 0.3f)), 1);
}

TEST(Ssim, OfTwoConstantsComparesMeansOnly) {
  // L = 2: in units of it the means are 0.5 and 1.5.
  EXPECT_NEAR(ssim(at::full({12, 12}, 1.0), at::full({12, 12}, 3.0)), (1.5 + 1e-4) / (2.5 + 1e-4), 1e-12);
}

TEST(Ssim, OfSmallMapsUsesTheLargestOddWindowThatFits) {
  // One column wide, two high: windows of one pixel, no variance. L = 3.
  const auto local = [](double x, double y) { return (2 * x * y + 1e-4) / (x * x + y * y + 1e-4); };
  const Tensor a = at::tensor({0.0, 3.0}).view({2, 1}), b = at::tensor({1.0, 2.0}).view({2, 1});
  EXPECT_NEAR(ssim(a, b), (local(0, 1.0 / 3) + local(1, 2.0 / 3)) / 2, 1e-12);
}

TEST(Ssim, OfWhatIsNotFiniteIsNoNumber) {
  Tensor broken = at::rand({12, 12});
  broken[3][4] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnan(ssim(broken, at::rand({12, 12}))));
}

}  // namespace
}  // namespace vitrail
