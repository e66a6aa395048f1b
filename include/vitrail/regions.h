#pragma once

// How an image is divided into regions that are hidden together.
//
//   grid        grid x grid rectangles (default)
//   slic        grid x grid superpixels (fewer where the image has no more) that follow the image's edges
//   FILE        a picture (PNG, JPEG, WebP) in which every colour is one region; enlarged or reduced to the input's
//               size by nearest neighbour
//
// A division is one label map, never one mask a region.
// Paper of SLIC: Achanta, Shaji, Smith, Lucchi, Fua, Suesstrunk, SLIC Superpixels, PAMI 34(11), 2012.

#include <vitrail/tensor.h>

#include <cstdint>
#include <string>

namespace vitrail {

/// A division of one input.
struct LabelMap {
  Tensor labels;      ///< int64 [H,W], 0 .. count - 1, every number used
  int64_t count = 0;  ///< regions
  bool is_grid = false;
};

class Regions {
 public:
  Regions() = default;
  /// UsageError where the name is none of the words and no file.
  explicit Regions(const std::string& name);

  const std::string& name() const { return name_; }
  bool is_grid() const { return name_ == "grid"; }

  /// Divides `input` [C,H,W]. UsageError for a grid finer than the pixels, InputError for a file that is no picture.
  LabelMap divide(const Tensor& input, int64_t grid) const;

 private:
  std::string name_ = "grid";
};

}  // namespace vitrail
