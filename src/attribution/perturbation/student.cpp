#include "attribution/perturbation/student.h"

#include <limits>
#include <unsupported/Eigen/SpecialFunctions>

namespace vitrail {

double student_tail(double t, double degrees) {
  return Eigen::numext::betainc(degrees / 2, 0.5, degrees / (degrees + t * t));
}

double student_quantile(double alpha, double degrees) {
  if (degrees < 1 || alpha <= 0) return std::numeric_limits<double>::infinity();
  if (alpha >= 1) return 0;
  double low = 0, high = 1;
  while (student_tail(high, degrees) > alpha) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-12 * high; ++i) {
    const double middle = (low + high) / 2;
    (student_tail(middle, degrees) > alpha ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace vitrail
