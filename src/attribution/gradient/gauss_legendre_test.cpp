#include "attribution/gradient/gauss_legendre.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vitrail {
namespace {

class GaussLegendre : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, GaussLegendre, testing::Values(1, 2, 3, 5, 8, 16, 33, 64, 257));

TEST_P(GaussLegendre, IntegratesPolynomialsOfDegreeUpTo2nMinus1) {
  const Quadrature rule = gauss_legendre(GetParam());
  for (int64_t degree = 0; degree <= 2 * GetParam() - 1; ++degree) {
    double sum = 0;
    for (size_t i = 0; i < rule.nodes.size(); ++i)
      sum += rule.weights[i] * std::pow(rule.nodes[i], static_cast<double>(degree));
    ASSERT_NEAR(sum, 1. / static_cast<double>(degree + 1), 1e-13) << degree;
  }
}

TEST_P(GaussLegendre, NodesIncreaseInsideTheIntervalAndAreSymmetric) {
  const Quadrature rule = gauss_legendre(GetParam());
  const size_t n = rule.nodes.size();
  ASSERT_EQ(n, static_cast<size_t>(GetParam()));
  for (size_t i = 0; i < n; ++i) {
    EXPECT_GT(rule.nodes[i], i == 0 ? 0 : rule.nodes[i - 1]);
    EXPECT_LT(rule.nodes[i], 1);
    EXPECT_GT(rule.weights[i], 0);
    EXPECT_NEAR(rule.nodes[i] + rule.nodes[n - 1 - i], 1, 1e-15);
    EXPECT_EQ(rule.weights[i], rule.weights[n - 1 - i]);
  }
}

TEST(GaussLegendre, IsNotExactBeyondItsDegree) {
  const Quadrature rule = gauss_legendre(2);
  double sum = 0;
  for (size_t i = 0; i < 2; ++i) sum += rule.weights[i] * std::pow(rule.nodes[i], 4);
  EXPECT_NEAR(sum, 1. / 5 - 1. / 180, 1e-14);  // the error of the rule: (n!)^4 / ((2n + 1) (2n)!^2) f4, at n = 2
}

}  // namespace
}  // namespace vitrail
