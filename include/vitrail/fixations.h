#pragma once

// Where eyes rested: fixations of viewers become maps of where each of them looked, for human_spearman and its like.
//
//   const Fixations seen = read_fixations("fixations.csv");
//   const Tensor maps = fixation_maps(seen.at("cat.jpg"), model.prepare(read_image("cat.jpg")));   // [K,H,W]
//   human_ceiling(*parse_metric("human_spearman"), maps).value;
//
//   map of a viewer at p = sum over the viewer's fixations f of exp(-|p - f|^2 / (2 sigma^2))     p, f, sigma in pixels
//                                                                                                 of the photo
//
// The blur stands for what is seen sharply and for the error of the eye tracker, and is usually about 1 degree of
// visual angle. How many pixels that is depends on the screen and the distance: pixels a degree = pixels of the photo's
// width / degrees that it covered. The default of 24 takes a photo of 800 pixels that covers 33 degrees, as those of
// the OSIE data do. Every fixation counts alike, however long it was. Free viewing is no classification: eyes also go
// where the class is not.
//
// Source      Xu, Jiang, Wang, Kankanhalli, Zhao, Predicting human gaze beyond pixels, Journal of Vision 2014 (OSIE).

#include <vitrail/preprocess.h>
#include <vitrail/tensor.h>

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace vitrail {

struct Fixation {
  std::string viewer = {};
  double x = 0, y = 0;  ///< in pixels of the photo, from its upper left corner
};

/// By the name of the photo as the file spells it.
using Fixations = std::map<std::string, std::vector<Fixation>>;

struct FixationMapOptions {
  double sigma = 24;  ///< of the Gaussian, in pixels of the photo: about 1 degree
};

/// From a table with the columns image, viewer, x, y, in any order and among others. InputError saying what is wrong,
/// and in which line.
Fixations read_fixations(const std::filesystem::path& file);

/// float64 [K,H,W] at the size of the model's input: one map a viewer, in the order of their names; in float32 all that
/// lies far from a fixation would be 0, and equal. Viewers who never looked at the part of the photo that the model
/// sees have none; undefined where nobody did.
Tensor fixation_maps(std::span<const Fixation> fixations, const PreparedImage& photo,
                     const FixationMapOptions& options = {});

}  // namespace vitrail
