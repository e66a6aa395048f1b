#pragma once

// A plan run on samples that differ from a known one, the base, in a rectangle.
//
// What a change can touch is a rectangle of every value (ops/locality.h). Each step computes that rectangle: it is
// given the part of its inputs that the rectangle reads, put together from what changed and, around it, from the base.
// Rectangles have one size for all samples, so that a step is one call of the kernel that the whole plan calls. Where
// the rectangle has grown to most of the value, or where a step looks everywhere, the rest of the plan runs on whole
// values.

#include <vitrail/local_scorer.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plan/plan_impl.h"

namespace vitrail {

class LocalRuns {
 public:
  /// For a plan whose input is [N,C,H,W], or [N,H,W,C]. Null where nothing is local, the plan forbids it, or it has
  /// several outputs.
  static std::unique_ptr<LocalRuns> make(std::shared_ptr<const Plan::Impl> plan, std::vector<ImagePatch> rectangles,
                                         bool channels_first, int64_t batch);
  ~LocalRuns();

  /// In the layout of the plan's input; the plan's output.
  Tensor set_bases(const Tensor& inputs);

  /// Whether changes of this rectangle are better run here than as whole samples. Timed where the plan does not know.
  bool pays(size_t rectangle);

  /// The plan's output for the bases with these changes; pixels [C,h,w]. With `move` the bases take them over.
  Tensor run(const std::vector<LocalChange>& changes, bool move);

  /// The part of the plan's time that is expected to be needed for this rectangle, by steps and areas.
  double share(size_t rectangle) const;
  /// Of what is kept of the bases.
  int64_t bytes_of_bases() const;
  std::string record() const;

 private:
  struct Impl;
  explicit LocalRuns(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrail
