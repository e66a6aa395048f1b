#pragma once

// Which part of every value a change of a rectangle can touch, and how each step computes it.

#include <vitrail/local_scorer.h>

#include <memory>
#include <utility>
#include <vector>

#include "plan/patches.h"
#include "plan/plan_impl.h"

namespace vitrail {

/// A rectangle of each of the class's rectangles' samples, of one size.
struct LocalWindow {
  int64_t rows = 0, columns = 0;
  std::vector<int64_t> top, left;  ///< one a rectangle of the class
};

/// A value of the plan: the part that the changes can touch, or all of it.
struct LocalValue : LocalWindow {
  bool is_part = false;
  PlaneLayout layout;
  int64_t height = 0, width = 0;  ///< of the whole plane
  std::vector<Box> touched;       ///< of each rectangle: rows and columns, within its window
};

struct LocalStep {
  const Step* step = nullptr;             ///< computes the part; null: the plan's own step on whole values
  std::unique_ptr<Step> owned;            ///< where it is not the plan's own
  double fill = 0;                        ///< what lies outside of the planes
  std::vector<LocalWindow> windows = {};  ///< one an input: what the part reads of it
};

/// For rectangles that are each within one of height x width.
struct LocalSchedule {
  int64_t height = 0, width = 0;
  std::vector<LocalValue> values;  ///< by slot
  std::vector<LocalStep> steps;    ///< as the plan's
  std::vector<char> needs_base;    ///< by slot
  double share = 1;                ///< of the plan's time, by the areas of the parts; 1 where no step gains
};

/// False where the plan's input is no picture, or the plan is not in float32.
bool can_be_local(const Plan::Impl& plan);

/// The size (height, width) of the class of each rectangle. Rectangles of about one size are one class; others form
/// squares in steps of an eighth of the picture.
std::vector<std::pair<int64_t, int64_t>> class_sizes(const Plan::Impl& plan, const PlaneLayout& layout,
                                                     const std::vector<ImagePatch>& rectangles);

LocalSchedule make_schedule(const Plan::Impl& plan, const PlaneLayout& input, const std::vector<ImagePatch>& rectangles,
                            int64_t height, int64_t width);

}  // namespace vitrail
