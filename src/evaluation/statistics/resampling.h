#pragma once

// What bootstraps share.

#include <vitrail/bootstrap.h>

#include <vector>

namespace vitrail {

/// UsageError for options that make no interval.
void check_bootstrap(const BootstrapOptions& options);

/// Interpolated between order statistics; `share` 0 to 1.
double quantile(const std::vector<double>& sorted, double share);

}  // namespace vitrail
