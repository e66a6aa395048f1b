#pragma once

// What replaces hidden input.
//
//   zero      0 in the model's input space: the mean colour of a mean/std-normalised net (default)
//   black     pixel value 0
//   mean      the mean colour of the image itself
//   127.5     a pixel value, every channel

#include <vitrail/scorer.h>
#include <vitrail/tensor.h>

#include <string>

namespace vitrail {

class Baseline {
 public:
  Baseline() = default;
  /// Throws UsageError for an unknown name, listing the known ones.
  explicit Baseline(const std::string& name);

  const std::string& name() const { return name_; }

  /// The values that replace `input` [C,H,W], broadcastable to it, in input space.
  Tensor resolve(const Tensor& input, const Scorer& scorer) const;

 private:
  std::string name_ = "zero";
};

}  // namespace vitrail
