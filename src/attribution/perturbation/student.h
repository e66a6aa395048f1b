#pragma once

namespace vitrail {

/// P(|T| > t) of Student's distribution with `degrees` of freedom, t >= 0.
double student_tail(double t, double degrees);

/// The t with P(|T| > t) = `alpha` for Student's distribution with `degrees` of freedom, to 1e-8 of itself for alpha
/// down to 1e-12. Found by bisection on the distribution function, an incomplete beta function.
double student_quantile(double alpha, double degrees);

}  // namespace vitrail
