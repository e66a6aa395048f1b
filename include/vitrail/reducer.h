#pragma once

namespace vitrail {

/// How the values of a pixel's channels become one.
enum class Reducer { min, mean, max, sum };

}  // namespace vitrail
