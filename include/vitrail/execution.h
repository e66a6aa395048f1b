#pragma once

// How a method is run, as opposed to what it computes: batch, budget, progress, cancellation.
// None of it changes a result beyond rounding, except that a budget or a cancellation stops a
// sampling method early with a valid partial result.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

namespace vitrail {

/// Limits of one method on one input; whichever is reached first stops it.
struct Budget {
  std::optional<int64_t> forwards;  ///< forwards and backwards together
  std::optional<double> seconds;

  /// "2000forwards", "30s"; throws UsageError for another form.
  static Budget parse(const std::string& text);
};

/// Receives events. Called from the thread that runs the method; must not throw.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void on_begin(const std::string& what, int64_t total_steps) {}
  virtual void on_progress(int64_t steps_done, int64_t total_steps) {}
  virtual void on_warning(const std::string& message) {}
  virtual void on_end() {}
};

struct Execution {
  int64_t batch = 8;  ///< samples a forward; larger batches rarely help on a CPU
  Budget budget = {};
  bool incremental = true;       ///< of images that differ little from known ones compute what differs, where that pays
  Listener* listener = nullptr;  ///< not owned; may be null
  const std::atomic<bool>* cancelled = nullptr;  ///< not owned; set it to stop with a partial result
};

}  // namespace vitrail
