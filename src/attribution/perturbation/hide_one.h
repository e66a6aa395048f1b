#pragma once

// Deletion one by one: how much the score drops when one place of the image is hidden and all else shows. What
// `occlusion` (windows) and `feature_ablation` (regions) share.

#include <vitrail/local_scorer.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "attribution/run.h"

namespace vitrail {

/// The places of one input, numbered from 0.
struct Places {
  std::string name;                    ///< "windows"
  std::vector<ImagePatch> rectangles;  ///< around each
  /// Images [n,C,H,W], in each of which one place is hidden, or none: number -1.
  std::function<Tensor(const std::vector<int64_t>& hidden)> images;
  /// The pixels [C,height,width] of a place's rectangle where it is hidden; null where they depend on more than that.
  std::function<Tensor(int64_t place)> pixels;
};

/// The drops, float64 [places,T]: the scores of the image, which the run is told, less those with the place hidden.
/// Sends whole images, or changes of the image where the scorer gains by it. Of places that a stop leaves out: 0.
Tensor score_drops(MethodRun& run, const Places& places);

}  // namespace vitrail
