#pragma once

#include <cstdint>
#include <span>

namespace vitrail {

/// Share of the sign patterns with |sum of +-d| >= |sum of d|: the two-sided p-value of paired differences. Exact up to
/// 14 differences, else from the observed pattern and 9999 drawn ones. NaN of no difference.
double sign_flip_p(std::span<const double> differences, uint64_t seed);

}  // namespace vitrail
