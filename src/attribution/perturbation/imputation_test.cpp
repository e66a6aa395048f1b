#include "attribution/perturbation/imputation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <limits>

#include "attribution/perturbation/scorers_for_tests.h"

namespace vitrail {
namespace {

/// 2 x - 3 y + 5, [1,9,11]: harmonic, and its own weighted mean over any symmetric neighbourhood.
Tensor plane() {
  const Tensor y = at::arange(9, at::kFloat).unsqueeze(1), x = at::arange(11, at::kFloat).unsqueeze(0);
  return (x * 2 - y * 3 + 5).unsqueeze(0);
}

Tensor inner_square() {
  Tensor hidden = at::zeros({9, 11}, at::kBool);
  hidden.narrow(0, 2, 5).narrow(1, 3, 6).fill_(true);
  return hidden;
}

TEST(Imputation, ContinuesAPlane) {
  Tensor damaged = plane().clone();
  damaged.masked_fill_(inner_square(), -77);
  for (const Neighbours neighbours : {Neighbours::four, Neighbours::eight})
    EXPECT_LT((impute(damaged, inner_square(), neighbours, 0, 1, 0) - plane()).abs().max().item<double>(), 1e-5);
}

// Every hidden pixel is the weighted mean of its neighbours.
TEST(Imputation, SolvesItsEquation) {
  const Tensor image = wave(2, 9, 11, 0.9), filled = impute(image, inner_square(), Neighbours::eight, 0, 1, 0);
  for (int64_t y = 2; y < 7; ++y)
    for (int64_t x = 3; x < 9; ++x) {
      double mean = 0;
      for (int64_t dy = -1; dy <= 1; ++dy)
        for (int64_t dx = -1; dx <= 1; ++dx)
          if (dy != 0 || dx != 0)
            mean += filled[1][y + dy][x + dx].item<double>() * (dy == 0 || dx == 0 ? 1.0 / 6 : 1.0 / 12);
      EXPECT_NEAR(filled[1][y][x].item<double>(), mean, 1e-5);
    }
  EXPECT_TRUE(at::equal(filled.masked_fill(inner_square(), 0), image.masked_fill(inner_square(), 0)));
}

TEST(Imputation, SolvesItsEquationForStrewnPixels) {
  const Tensor image = wave(1, 40, 27, 0.9);
  Tensor hidden = at::zeros({40, 27}, at::kBool);
  hidden.narrow(0, 1, 38).narrow(1, 1, 25).copy_(at::rand({38, 25}).lt(0.7));
  const Tensor filled = impute(image, hidden, Neighbours::four, 0, 1, 0)[0];
  const auto shifted = [&](int64_t dy, int64_t dx) { return filled.narrow(0, 1 + dy, 38).narrow(1, 1 + dx, 25); };
  const Tensor mean = (shifted(-1, 0) + shifted(1, 0) + shifted(0, -1) + shifted(0, 1)) / 4;
  const Tensor error = (shifted(0, 0) - mean).abs() * hidden.narrow(0, 1, 38).narrow(1, 1, 25);
  EXPECT_LT(error.max().item<double>(), 1e-5);
  EXPECT_TRUE(at::equal(filled.masked_fill(hidden, 0), image[0].masked_fill(hidden, 0)));
}

TEST(Imputation, NoiseIsOfTheSampleAndOnWhatIsHiddenOnly) {
  const Tensor image = wave(2, 9, 11, 0.9);
  const auto fill = [&](uint64_t sample) { return impute(image, inner_square(), Neighbours::eight, 0.1, 1, sample); };
  EXPECT_TRUE(at::equal(fill(3), fill(3)));
  EXPECT_FALSE(at::equal(fill(3), fill(4)));
  EXPECT_TRUE(at::equal(fill(3).masked_fill(inner_square(), 0), image.masked_fill(inner_square(), 0)));
}

TEST(Imputation, OfEverythingIsTheMeanColourAndNaNStaysHidden) {
  const Tensor image = wave(2, 9, 11, 0.9).clone();
  const Tensor all = impute(image, at::ones({9, 11}, at::kBool), Neighbours::four, 0, 1, 0);
  EXPECT_NEAR(all[1][3][4].item<double>(), image[1].mean().item<double>(), 1e-6);
  image[0][4][5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(at::isfinite(impute(image, inner_square(), Neighbours::four, 0, 1, 0)).all().item<bool>());
}

}  // namespace
}  // namespace vitrail
