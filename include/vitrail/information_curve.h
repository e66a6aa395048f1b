#pragma once

// Performance information curves: begin with a blurred photo, sharpen it where the map says most, and the network
// should be sure again while the photo still holds little information.
//
//   x_k   the photo in which the pixels of the largest share t_k of the map are known, and a few random ones; the
//         others are interpolated.  t = 0, .005, .01, .02, .03, .04, .05, .07, .1, .13, .21, .34, .5, .75, 1
//   information   (bytes(x_k) - bytes(x_0)) / (bytes(x) - bytes(x_0)), clipped to 0 .. 1; bytes of a lossless file
//   performance   (s(x_k) - s(x_0)) / (s(x) - s(x_0)), clipped to 0 .. 1; with `monotone` the largest so far
//   value         the area under performance over information, interpolated at equally spaced information
//
//   sic   softmax information curve: s is the probability of the target (its score, where it is no class)
//   aic   accuracy information curve: s is 1 where the target's class wins, else 0
//
// As in PAIR's code (saliency.metrics.pic), except that
//   - files are PNG, there WebP without loss: other bytes, similar ratios;
//   - unknown pixels are the mean of their four neighbours (harmonic interpolation), there linear on triangles;
//   - the curve has 100 points and not 1000, and the mean over photos is that of the areas, there the area of the
//     median curve;
//   - the random pixels are the same for all photos.
//
// Direction   higher is better.
// Cost        15 forwards, 14 sparse linear systems and 15 files.
// Undefined   where s(x) is below `minimum`, where the blurred photo has no lower s than the photo (aic: its class wins
//             already) or no smaller file; for a constant map; for inputs that are no picture of 1 or 3 channels.
// Source      Kapishnikov, Bolukbasi, Viegas, Terry, XRAI: Better Attributions Through Regions, ICCV 2019.

#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

struct InformationCurveOptions {
  double minimum = 0.8;  ///< photos of a lower score are left out
  double known = 0.01;   ///< share of the pixels, drawn at random, that the blurred photo is made of
  bool monotone = true;  ///< performance never falls along the curve
  int64_t points = 100;  ///< of the curve, less one
  uint64_t seed = 0;     ///< of the random pixels
};

using SicOptions = InformationCurveOptions;
using AicOptions = InformationCurveOptions;

MetricScore sic(const MetricCase& map, const SicOptions& options = {});
MetricScore aic(const MetricCase& map, const AicOptions& options = {});

}  // namespace vitrail
