#pragma once

// The standard normal distribution, in double precision.

namespace vitrail {

/// P(Z <= z).
double normal_cdf(double z);

/// The z with P(Z <= z) = `probability`; infinite for 0 and 1.
double normal_quantile(double probability);

}  // namespace vitrail
