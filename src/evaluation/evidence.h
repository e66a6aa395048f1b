#pragma once

#include <vitrail/metric.h>

#include <string>

namespace vitrail {

/// What metrics of this evidence need beside the map, in words: "a mask or boxes".
std::string name_of(Evidence evidence);

}  // namespace vitrail
