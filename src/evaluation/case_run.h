#pragma once

// Scores of changed inputs for one metric on one case: batches, memory, cancellation and counting.

#include <vitrail/activation.h>
#include <vitrail/local_scorer.h>
#include <vitrail/metric.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "attribution/options.h"

namespace vitrail {

class CaseRun {
 public:
  /// UsageError where softmax is asked for and the case has no probability.
  CaseRun(const MetricCase& map, Activation activation);

  /// What is scored: of the activation that was asked for, before a sigmoid.
  const Scorer& scorer() const { return scorer_; }

  /// Scores of `samples` inputs, which `make(first, count)` gives as [count,C,H,W] a batch at a time: float64
  /// [samples]. Where memory runs out the batch is halved. Throws CancelledError.
  Tensor score(int64_t samples, const std::function<Tensor(int64_t first, int64_t count)>& make);

  /// Scores of `start` [C,H,W] and of what it becomes when `rectangles` are changed one after the other, each to
  /// `pixels(k)` [C,height,width]: float64 [1 + changes]. Computes only what a change can touch. Undefined, and
  /// nothing is scored, where the scorer cannot do that, gains nothing by it, or the execution forbids it. Throws
  /// CancelledError.
  Tensor score_changes(const Tensor& start, const std::vector<ImagePatch>& rectangles,
                       const std::function<Tensor(int64_t k)>& pixels);

  /// Of the input itself; one forward, at the first call.
  double base();

  int64_t forwards() const { return forwards_; }

 private:
  void check_cancelled() const;

  const MetricCase& map_;
  const Scorer& scorer_;
  bool sigmoid_;
  int64_t batch_, forwards_ = 0;
  Tensor base_;
};

/// The option `activation` of a metric.
template <class Options>
Option<Options> activation_row(Activation Options::* field) {
  return choice("activation", field, "the number of the target that is watched; auto: softmax for classes, else none",
                {{"auto", Activation::automatic},
                 {"none", Activation::none},
                 {"softmax", Activation::softmax},
                 {"sigmoid", Activation::sigmoid}});
}

}  // namespace vitrail
