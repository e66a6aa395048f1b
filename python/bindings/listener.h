#pragma once

#include <vitrail/execution.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "bindings.h"

namespace vitrail::python {

/// A flag that stops a run with a partial result. Python threads and signal handlers set it.
struct Cancellation {
  std::atomic<bool> cancelled = false;
};

/// Tells a Python callable `progress(what, done, total)` of a run, at most twenty times a second, and lets Python see
/// to its signals. An exception of either cancels the run; rethrow() raises it when the run is over.
class PythonListener : public Listener {
 public:
  PythonListener(py::object progress, std::shared_ptr<Cancellation> cancellation)
      : progress_(std::move(progress)), cancellation_(std::move(cancellation)) {}

  void on_begin(const std::string& what, int64_t total) override {
    what_ = what;
    total_ = total;
    tell(0);
  }
  void on_progress(int64_t done, int64_t total) override {
    total_ = total;
    done_ = done;
    if (done >= total || Clock::now() - told_ > std::chrono::milliseconds(50)) tell(done);
  }
  void on_end() override {
    if (done_ != told_done_) tell(done_);
  }

  /// With the interpreter's lock held.
  void rethrow() const {
    if (error_) throw py::error_already_set(*error_);
  }

 private:
  using Clock = std::chrono::steady_clock;

  void tell(int64_t done) {
    told_ = Clock::now();
    told_done_ = done_ = done;
    if (error_) return;
    const py::gil_scoped_acquire lock;
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      if (!progress_.is_none()) progress_(what_, done, total_);
    } catch (const py::error_already_set& error) {
      error_.emplace(error);
      cancellation_->cancelled = true;
    }
  }

  py::object progress_;
  std::shared_ptr<Cancellation> cancellation_;
  std::string what_;
  int64_t total_ = 0, done_ = 0, told_done_ = 0;
  Clock::time_point told_ = {};
  std::optional<py::error_already_set> error_;
};

/// How a run is done, from keyword arguments.
struct ExecutionArguments {
  int64_t batch = 8;
  std::string budget;
  bool incremental = true;
  py::object progress = py::none();
  std::shared_ptr<Cancellation> cancellation = std::make_shared<Cancellation>();

  /// `run(execution)` without the interpreter's lock; then what the listener met with is raised.
  template <class Run>
  auto operator()(const Run& run) const {
    PythonListener listener(progress, cancellation);
    Execution execution;
    execution.batch = batch;
    if (!budget.empty()) execution.budget = Budget::parse(budget);
    execution.incremental = incremental;
    execution.listener = &listener;
    execution.cancelled = &cancellation->cancelled;
    auto result = [&] {
      const py::gil_scoped_release unlocked;
      return run(execution);
    }();
    listener.rethrow();
    return result;
  }
};

}  // namespace vitrail::python
