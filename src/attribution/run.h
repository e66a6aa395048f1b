#pragma once

// One method on one input: what every method shares. A method's code is then its mathematics.
//
//   while (const int64_t n = run.next_chunk(options.masks - done)) {   // batch, budget and cancellation
//     const Tensor scores = run.score(samples(done, n));               // float64 [n,T], counted
//     ...
//     done += n;
//   }
//   run.results()[t].map = ...;                                        // one prepared result a target
//
// The run counts forwards and backwards, tells the listener, keeps the time, fills what all
// results have in common, and diagnoses maps when it is finished.

#include <vitrail/execution.h>
#include <vitrail/explanation.h>
#include <vitrail/scorer.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vitrail {

class MethodRun {
 public:
  /// `input` [C,H,W]; `common` is copied into the result of every target; `expected_steps` is for the listener.
  MethodRun(const Scorer& scorer, const Tensor& input, const Execution& execution, const Explanation& common,
            int64_t expected_steps);
  ~MethodRun();
  MethodRun(const MethodRun&) = delete;
  MethodRun& operator=(const MethodRun&) = delete;

  const Tensor& input() const { return input_; }
  int64_t height() const { return input_.size(1); }
  int64_t width() const { return input_.size(2); }
  int64_t targets() const { return static_cast<int64_t>(results_.size()); }
  int64_t batch() const { return batch_; }

  /// One a target. The method sets the map and what else it has; all else is filled.
  std::vector<Explanation>& results() { return results_; }

  /// How many of the `wanted` samples to send next: at most a batch, at most what the budget leaves when a sample
  /// costs `steps_a_sample` forwards and backwards. 0: nothing is wanted, or stop (then `stopped()`).
  int64_t next_chunk(int64_t wanted, int64_t steps_a_sample = 1);

  /// True when the budget is spent or the run is cancelled; the results are then partial.
  bool should_stop();
  bool stopped() const { return stopped_; }

  /// Calls `body(first, count)` for pieces of `samples` of at most a batch, and of `at_most` where it is not 0. Where
  /// memory runs out, the batch is halved for the rest of the run and the piece repeated; of one sample the
  /// OutOfMemoryError is passed on.
  void in_batches(int64_t samples, const std::function<void(int64_t first, int64_t count)>& body, int64_t at_most = 0);

  /// Scores of samples [n,C,H,W] without gradients, a batch at a time: float64 [n,T] on the CPU. Counts n forwards.
  Tensor score(const Tensor& samples);

  /// Scoring by changes: images that differ from a base in a rectangle, of which only what the change can touch is
  /// computed (vitrail/local_scorer.h). True where the scorer can do that, where it gains by it, and where the
  /// execution allows it; whole images are to be sent otherwise. `example` [C,H,W] is an image like the bases to come.
  bool start_local(std::vector<ImagePatch> rectangles, const Tensor& example);
  /// The bases [B,C,H,W] of the changes to come; their scores, float64 [B,T]. Counts B forwards.
  Tensor set_bases(const Tensor& images);
  /// Scores of changed bases, a batch at a time: float64 [n,T]. Counts n forwards.
  Tensor score_changes(const std::vector<LocalChange>& changes);
  /// The same, and the changes stay: no two of them may have one base.
  Tensor move_bases(const std::vector<LocalChange>& changes);

  /// For methods that send samples themselves.
  void count(int64_t forwards, int64_t backwards);

  /// Scores of the input itself [T]. A method that knows them says so; otherwise finish() asks the model, uncounted.
  void set_scores(const Tensor& scores);

  /// To every result, once.
  void warn(const std::string& message);

  /// Fills scores, cost, time and diagnosis. `why_zero`: the method's reading of a zero map.
  std::vector<Explanation> finish(const std::string& why_zero);

 private:
  Tensor checked_scores(const Tensor& samples) const;
  /// False where memory ran out: whole images are sent from then on.
  bool try_local(const std::function<void()>& body);
  /// Undefined where whole images are to be sent.
  Tensor run_changes(const std::vector<LocalChange>& changes, bool move);
  Tensor compose(const std::vector<LocalChange>& changes) const;
  double seconds() const;

  const Scorer& scorer_;
  std::unique_ptr<LocalScorer> local_;  ///< null again where memory ran out: whole images are sent then
  std::vector<ImagePatch> rectangles_;
  Tensor bases_, base_scores_;  ///< [B,C,H,W], [B,T] of local_
  Tensor input_;
  const Execution execution_;
  int64_t batch_;  ///< what memory allows of execution_.batch
  std::vector<Explanation> results_;
  int64_t expected_steps_, forwards_ = 0, backwards_ = 0;
  bool stopped_ = false, has_scores_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Scores as float64 [n,T] on the CPU; UsageError where the scorer returned another shape.
Tensor check_scores(const Tensor& scores, int64_t samples, int64_t targets);

}  // namespace vitrail
