#pragma once

namespace vitrail {

/// Which of several pixels with equal values comes first in the order of a map.
enum class Ties {
  index,  ///< the one further up, then further left
  random  ///< by a draw
};

}  // namespace vitrail
