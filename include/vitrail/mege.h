#pragma once

// MeGe and ReCo: are the explanations of a learning algorithm those of the task, or of one training run? Several models
// are trained, each without one part of the images; maps of an image are compared between a model that has seen it and
// one that has not.
//
// For models i < j and an image that i or j was trained without, the distance of their maps counts as
//   equal      both models are right
//   different  exactly one is right: the explanations ought to differ
//   neither    both are wrong: left out
//
//   MeGe = 1 / (1 + mean of equal)                   mean generalisability: models that are right explain alike
//   ReCo = max over g of TPR(g) + TNR(g) - 1         relative consistency: distances tell right from wrong
//   TPR(g) = share of equal that is <= g,  TNR(g) = share of different that is > g
//
// The largest value over all thresholds g is found exactly, from sorted distances. Distances that do not exist (a map
// that is constant) are left out and counted.
//
// Intervals are over images: images are drawn again with replacement, each with all its distances, as those of one
// image go together; BCa (vitrail/bootstrap.h). They say how much other images would move the value, with these K
// models: what training the models again would do is not in them.
//
// Look at both: maps that do not ask the model (edges, a fixed pattern) are the same for all models, so that MeGe is 1,
// and tell right from wrong not at all, so that ReCo is 0.
//
// Direction   both higher is better, 0 to 1. MeGe is comparable within one distance only.
// Cost        a map of every image by every model (vitrail/fold_study.h).
// Source      Fel, Vigouroux, Cadene, Serre, How Good is your Explanation? Algorithmic Stability Measures to Assess the
//             Quality of Explanations for Deep Neural Networks, WACV 2022.

#include <vitrail/bootstrap.h>
#include <vitrail/execution.h>
#include <vitrail/map_distance.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vitrail {

/// What K models, each trained without one part of N images, say of these images.
struct FoldMaps {
  Tensors maps;                ///< of each model, [N,H,W]
  Tensor correct;              ///< bool [K,N]: the model is right about the image
  std::vector<int64_t> folds;  ///< of each image: the model that was trained without it
};

/// The maps that two models make of an image.
struct FoldPair {
  int64_t image = 0, first = 0, second = 0;  ///< image, models
  bool equal = false;                        ///< both models are right; else exactly one is
  double distance = 0;                       ///< NaN where it does not exist
};

struct FoldDistances {
  std::vector<double> equal, different;
};

struct Mege {
  double mege = 0, reco = 0;     ///< NaN where they do not exist
  std::string mege_reason = {};  ///< why MeGe is NaN
  std::string reco_reason = {};  ///< why ReCo is NaN
  double threshold = 0;          ///< a distance g that gives ReCo; NaN where no threshold is better than none
  int64_t equal = 0;             ///< distances that count
  int64_t different = 0;
  int64_t undefined = 0;  ///< distances that are not finite
};

struct MegeOptions {
  MapDistance distance = MapDistance::sqrt_abs_spearman;
  bool strict = false;  ///< distances equal to the threshold count on neither side: TPR takes < instead of <=
};

Mege mege(const FoldMaps& study, const MegeOptions& options = {});

/// The two halves of it.
FoldDistances fold_distances(const FoldMaps& study, MapDistance distance);
Mege mege_of_distances(const FoldDistances& distances, bool strict = false);

/// The distances with what they are of, model by model. CancelledError where `execution.cancelled` was set.
std::vector<FoldPair> fold_pairs(const FoldMaps& study, MapDistance distance, const Execution& execution = {});

Mege mege_of_pairs(std::span<const FoldPair> pairs, bool strict = false);

struct MegeIntervals {
  BootstrapInterval mege, reco;
};

/// Over `images` images.
MegeIntervals mege_intervals(std::span<const FoldPair> pairs, int64_t images, bool strict = false,
                             const BootstrapOptions& options = {});

}  // namespace vitrail
