#pragma once

#include <cstdint>
#include <vector>

namespace vitrail {

/// An order of 0 .. count - 1 in which every beginning is spread evenly: multiples, modulo count, of the number nearest
/// to count / golden ratio that shares no factor with it. For what may be stopped on the way.
std::vector<int64_t> spread_order(int64_t count);

}  // namespace vitrail
