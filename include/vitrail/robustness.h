#pragma once

// Robustness-S: how small a change of the pixels that a map calls important, and of no others, makes the network change
// its mind?
//
//   r(S) = min |delta|_p such that delta is 0 outside of S and argmax f(x + delta) is another class
//
//   pixels=relevant   S: the pixels that the map ranks highest; their share takes `sizes` values up to `most`: a good
//                     map needs little, lower is better
//   pixels=others     S: all but those; higher is better
//
// The value is the mean of r over the shares. r is found by attack: projected gradient steps on the margin to the
// nearest class from several starts, and a search for the least size at which one succeeds, to 5 %. It is an upper
// bound: a better attack might need less. `parts` has "verified_low", the lower bound that a verifier proved, where one
// did; 0 is always true. Sizes are in the model's input space, not in pixel values, and are not clipped to 0 .. 255.
//
// Compare methods on one model only: models differ in how robust they are.
//
// Cost        about sizes x 17 restarts x (steps + 1) forwards and backwards: the dearest metric there is.
// Undefined   where no attack within the range of the input succeeds; for targets that are not one of several classes.
// Source      Hsieh, Yeh, Liu, Ravikumar, Kim, Kumar, Hsieh, Evaluations and Methods for Explanation through Robustness
//             Analysis, ICLR 2021; Madry, Makelov, Schmidt, Tsipras, Vladu, ICLR 2018 (the attack).

#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

enum class Norm { l2, linf };

enum class AttackedPixels { relevant, others };

struct RobustnessOptions {
  AttackedPixels pixels = AttackedPixels::relevant;
  int64_t sizes = 1;  ///< shares of the pixels, evenly spaced
  double most = 0.2;  ///< the largest share
  Norm norm = Norm::l2;
  int64_t steps = 20;  ///< of one attack
  int64_t restarts = 2;
  uint64_t seed = 1;
};

MetricScore robustness(const MetricCase& map, const RobustnessOptions& options = {});

}  // namespace vitrail
