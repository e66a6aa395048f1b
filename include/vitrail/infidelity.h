#pragma once

// Infidelity: does the map say how the score answers to noise?
//
//   mean over I of ( beta <I, phi> - (g(x) - g(x - I)) )^2,   <I, phi> = sum over pixels of I_p phi_p
//
// I is normal noise on every pixel, the same in all channels, so that a map without channels can speak of it; its
// standard deviation is `noise` times the range of the input. With `scaled` beta is the best factor, <I, phi> (g(x) -
// g(x - I)) / <I, phi>^2 of means, since maps have units of their own; without it beta is 1: for the sum over channels
// of the gradient of a linear model the value is 0 then.
//
// Direction   lower is better.
// Cost        samples + 1 forwards.
// Source      Yeh, Hsieh, Suggala, Inouye, Ravikumar, On the (In)fidelity and Sensitivity of Explanations, NeurIPS
// 2019.

#include <vitrail/activation.h>
#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

struct InfidelityOptions {
  int64_t samples = 100;
  double noise = 0.1;  ///< standard deviation, as a share of the input's range
  bool scaled = true;  ///< by the best factor
  Activation activation = Activation::automatic;
  uint64_t seed = 1;
};

MetricScore infidelity(const MetricCase& map, const InfidelityOptions& options = {});

}  // namespace vitrail
