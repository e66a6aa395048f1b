#include "attribution/perturbation/student.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vitrail {
namespace {

// P(|T| > t) has closed forms: 1 degree is the Cauchy distribution, 2 degrees an algebraic one.
TEST(StudentQuantile, HasItsClosedForms) {
  for (const double alpha : {0.5, 0.05, 1e-3, 1e-8}) {
    EXPECT_NEAR(student_quantile(alpha, 1) * std::tan(alpha * M_PI / 2), 1, 1e-8) << alpha;
    const double p = 1 - alpha;  // t = p sqrt(2 / (1 - p^2))
    EXPECT_NEAR(student_quantile(alpha, 2) / (p * std::sqrt(2 / (alpha * (2 - alpha)))), 1, 1e-8) << alpha;
  }
}

TEST(StudentQuantile, AgreesWithTables) {
  EXPECT_NEAR(student_quantile(0.05, 3), 3.182446305, 1e-8);
  EXPECT_NEAR(student_quantile(0.05, 10), 2.228138852, 1e-8);
  EXPECT_NEAR(student_quantile(0.01, 30), 2.749995654, 1e-8);
  EXPECT_NEAR(student_quantile(0.05, 1e7), 1.959963985, 1e-5);  // the normal distribution
}

TEST(StudentQuantile, OfNothingIsInfinite) {
  EXPECT_TRUE(std::isinf(student_quantile(0.05, 0)));
  EXPECT_EQ(student_quantile(1, 5), 0);
}

}  // namespace
}  // namespace vitrail
