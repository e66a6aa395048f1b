#include "attribution/perturbation/student.h"

#include <cmath>
#include <initializer_list>
#include <limits>

namespace vitrail {

namespace {

/// Continued fraction of the incomplete beta function (modified Lentz).
double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  const auto away_from_zero = [](double value) { return std::abs(value) < tiny ? tiny : value; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), result = d;
  for (int m = 1; m <= 500; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double step = 1;
    for (const double term : {even, odd}) {
      d = 1 / away_from_zero(1 + term * d);
      c = away_from_zero(1 + term / c);
      step = c * d;
      result *= step;
    }
    if (std::abs(step - 1) < 1e-15) break;
  }
  return result;
}

double regularised_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/// P(|T| > t).
double two_sided_tail(double t, double degrees) {
  return regularised_beta(degrees / 2, 0.5, degrees / (degrees + t * t));
}

}  // namespace

double student_quantile(double alpha, double degrees) {
  if (degrees < 1 || alpha <= 0) return std::numeric_limits<double>::infinity();
  if (alpha >= 1) return 0;
  double low = 0, high = 1;
  while (two_sided_tail(high, degrees) > alpha) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-12 * high; ++i) {
    const double middle = (low + high) / 2;
    (two_sided_tail(middle, degrees) > alpha ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace vitrail
