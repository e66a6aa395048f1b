#include "attribution/gradient/gauss_legendre.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace vitrail {

namespace {

/// P_n(x) and its derivative, by (k+1) P_{k+1} = (2k+1) x P_k - k P_{k-1}.
std::pair<double, double> legendre(int64_t n, double x) {
  double before = 0, value = 1;
  for (int64_t k = 0; k < n; ++k) {
    const auto degree = static_cast<double>(k);
    before = std::exchange(value, ((2 * degree + 1) * x * value - degree * before) / (degree + 1));
  }
  return {value, static_cast<double>(n) * (x * value - before) / (x * x - 1)};
}

}  // namespace

Quadrature gauss_legendre(int64_t n) {
  const auto size = static_cast<size_t>(n);
  Quadrature rule{std::vector<double>(size), std::vector<double>(size)};
  for (size_t i = 0; i < (size + 1) / 2; ++i) {
    double x = std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (static_cast<double>(n) + 0.5));
    for (double step = 1; std::abs(step) > 1e-15;) {  // quadratic convergence: a handful of steps
      const auto [value, slope] = legendre(n, x);
      step = value / slope;
      x -= step;
    }
    const double slope = legendre(n, x).second;
    const double weight = 1 / ((1 - x * x) * slope * slope);  // half of that on [-1,1]
    rule.nodes[i] = (1 - x) / 2;
    rule.nodes[size - 1 - i] = (1 + x) / 2;
    rule.weights[i] = rule.weights[size - 1 - i] = weight;
  }
  return rule;
}

}  // namespace vitrail
