#pragma once

// An image's regions as a tree of halves: what `owen` splits.

#include <vitrail/regions.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vitrail {

struct Part {
  std::vector<int64_t> regions;
  size_t first = 0, second = 0;  ///< its halves, as numbers of parts
  int64_t depth = 0;             ///< splits above it

  bool is_region() const { return regions.size() == 1; }
};

/// The parts, the whole image as number 0. A part is cut across the axis along which the centres of its regions lie
/// farther apart (from top to bottom first), as near to half of its regions as a straight cut between centres can be.
std::vector<Part> halve(const LabelMap& regions);

}  // namespace vitrail
