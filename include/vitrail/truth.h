#pragma once

// Where the target is: the region that metrics of localisation compare maps with, from a picture or from boxes of the
// photo.
//
//   const PreparedImage photo = model.prepare(read_image("dog.jpg"));
//   MetricCase map{..., .truth = read_truth("dog_mask.png", photo)};
//   map.truth = truth_of(read_truth_boxes("boxes.csv").at("dog.jpg"), photo);
//
// Regions are given in the photo's pixels and placed as the model sees it: a pixel of the input is in the region where
// its centre, brought back to the photo, is. So a box and a picture of it are the same region. What lies outside of the
// part that the model sees is lost; a region that is lost altogether is empty, and metrics then have no value.

#include <vitrail/preprocess.h>
#include <vitrail/target.h>
#include <vitrail/tensor.h>

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace vitrail {

struct TruthBox {
  Rectangle box = {};  ///< in the photo's pixels
  std::string label = {};
};

/// By the name of the photo as the file spells it.
using TruthBoxes = std::map<std::string, std::vector<TruthBox>>;

/// bool [H,W] from a picture of the photo's size, in which the region has any channel above 127 (white, or a colour) on
/// black. InputError for another size.
Tensor read_truth(const std::filesystem::path& picture, const PreparedImage& photo);

/// bool [H,W]: all that lies in one of the boxes. InputError for a box that is empty or leaves the photo by more than a
/// pixel.
Tensor truth_of(std::span<const TruthBox> boxes, const PreparedImage& photo);

/// bool [H,W]: where the target itself is, as the model sees it. Of boxes and rectangles what lies in them, cut off at
/// the photo; of zones and masks of a segmentation the cells that count positively. So a map is asked whether it shows
/// the object that the model reports, right or wrong. UsageError for a target that has no place: a class of a row, or
/// class:T of a detector.
Tensor truth_of_target(const Target& target, const PreparedImage& photo);

/// Boxes of many photos from a file: COCO's annotations (.json), or lines `image,x0,y0,x1,y1` or
/// `image,x0,y0,x1,y1,label`, after a first line that may be this heading (any other name). InputError saying what is
/// wrong, and in which line.
TruthBoxes read_truth_boxes(const std::filesystem::path& file);

}  // namespace vitrail
