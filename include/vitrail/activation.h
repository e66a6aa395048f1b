#pragma once

namespace vitrail {

/// Which number of the target a metric watches. Maps may explain the logit while the metric watches the probability, as
/// most papers report it.
enum class Activation {
  automatic,  ///< softmax where the target is a class of a row of logits, else none
  none,       ///< the score that the map explains
  softmax,    ///< the probability of the class
  sigmoid     ///< 1 / (1 + exp(-score))
};

}  // namespace vitrail
