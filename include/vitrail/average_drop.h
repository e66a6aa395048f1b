#pragma once

// What is left of the score when the photo is multiplied with the map:
//
//   M = |phi|, from its least to its largest value brought to 0 .. 1;   after = g(x M)
//
//   average_drop   max(0, g(x) - after) / g(x)          lower is better
//   increase       1 where after > g(x), else 0         higher is better: its mean is the share of photos
//   average_gain   max(0, after - g(x)) / (1 - g(x))    higher is better; wants probabilities
//
// A pixel times 0 is 0 in the model's input space, the mean colour of most networks. Undefined where g(x) is not
// positive (a share of a negative logit means nothing), and for a constant map.
//
// Cost        2 forwards.
// Source      Chattopadhyay, Sarkar, Howlader, Balasubramanian, Grad-CAM++, WACV 2018; Zhang, Torres, Sicre, Avrithis,
//             Ayache, Opti-CAM, 2023 (gain).

#include <vitrail/activation.h>
#include <vitrail/metric.h>

namespace vitrail {

struct AverageDropOptions {
  Activation activation = Activation::automatic;
};
using IncreaseOptions = AverageDropOptions;
using AverageGainOptions = AverageDropOptions;

MetricScore average_drop(const MetricCase& map, const AverageDropOptions& options = {});
MetricScore increase(const MetricCase& map, const IncreaseOptions& options = {});
MetricScore average_gain(const MetricCase& map, const AverageGainOptions& options = {});

}  // namespace vitrail
