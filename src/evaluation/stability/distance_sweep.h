#pragma once

// MeGe and ReCo of distances of which each counts as often as its image: once, or as a resample of images says.

#include <vitrail/mege.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vitrail {

struct PlacedDistance {
  double distance = 0;
  bool equal = false;
  size_t image = 0;  ///< whose count is that of the distance
};

class DistanceSweep {
 public:
  /// Distances that are not finite are left out.
  explicit DistanceSweep(std::vector<PlacedDistance> distances);

  /// NaN where no equal distance counts.
  double mege(std::span<const int64_t> counts) const;

  struct Reco {
    double value = 0, threshold = 0;
  };
  /// NaN where no equal or no different distance counts.
  Reco reco(std::span<const int64_t> counts, bool strict) const;

 private:
  std::vector<PlacedDistance> sorted_;
};

}  // namespace vitrail
