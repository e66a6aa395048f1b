#pragma once

// A map that comes into focus: the same method with more and more samples, to look at while it runs.
//
//   PartialResults results(method, scorer, inputs);
//   while (const auto explanations = results.next(execution)) show(*explanations);   // the last one is the whole
//
// The budget begins at `first` forwards and doubles, until the method ends by itself or the execution's own budget
// does. Every partial result is what a run with that budget gives, the last one what a run without it gives: numbers
// depend on the sample, not on when one looks. Methods that do not sample give their result at once.
//
// Cost    Of black-box methods on the input, scores are remembered by a 64-bit hash of the image (a few hundred bytes a
//         sample): no whole image is scored twice, where looks end with a batch. Others begin again: twice the forwards
//         in all.
// Errors  Those of the method.
//
// Not thread-safe.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/method.h>
#include <vitrail/scorer.h>

#include <memory>
#include <optional>
#include <vector>

namespace vitrail {

class PartialResults {
 public:
  /// `inputs` [N,C,H,W]; `first`: forwards and backwards of the first look, at least 1.
  PartialResults(std::shared_ptr<const Method> method, std::shared_ptr<const Scorer> scorer, Tensor inputs,
                 int64_t first = 64);

  /// The next result; nothing after the last one.
  std::optional<std::vector<Explanation>> next(const Execution& execution = {});

 private:
  std::shared_ptr<const Method> method_;
  std::shared_ptr<const Scorer> scorer_;  ///< one that remembers, where that is possible
  Tensor inputs_;
  int64_t budget_;
  bool done_ = false;
};

}  // namespace vitrail
