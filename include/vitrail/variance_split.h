#pragma once

// Sampled maps differ from run to run, and so do their scores: how much of the spread comes from the images, and how
// much from sampling? Every image is scored several times, with other seeds.
//
//   score = mean + image + sampling,   one-way random effects
//   sampling variance   MSW, the mean square within images
//   image variance      (MSB - MSW) / n0, MSB the mean square between images,
//                       n0 = (N - sum n_i^2 / N) / (I - 1): the repeats, where all I images have the same number
//
// Both are unbiased. The second may come out negative where images hardly differ; then it is 0, and `clipped` says so.
// What they imply for the mean over images:
//
//   standard error with R repeats an image = sqrt(image variance / I + sampling variance / (I R))
//
// so more repeats help only as far as the second term is the larger one.
//
// Scores that are not finite are left out and counted; images without a score do not count.

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail {

struct VarianceSplit {
  double images = 0, sampling = 0;     ///< variances; NaN where they do not exist
  double standard_error = 0;           ///< of the mean over images of their mean scores, with the repeats there are
  bool clipped = false;                ///< the estimate for images was negative
  int64_t image_count = 0, count = 0;  ///< images and scores that count
  int64_t undefined = 0;               ///< scores that are not finite
  std::string reason = {};             ///< why a number is NaN

  /// Of the mean with the same number of images and `repeats` scores an image.
  double standard_error_with(int64_t repeats) const;
};

/// `scores`: one list an image, one score a repeat.
VarianceSplit split_variance(const std::vector<std::vector<double>>& scores);

}  // namespace vitrail
