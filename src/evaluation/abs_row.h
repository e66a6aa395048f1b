#pragma once

#include "attribution/options.h"

namespace vitrail {

/// The option `abs` of metrics that compare the map with a region or another map.
template <class Options>
Option<Options> abs_row() {
  return option("abs", &Options::abs, "the size of the relevance, whatever its sign");
}

}  // namespace vitrail
