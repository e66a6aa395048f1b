#pragma once

// What people see. Colour and progress only where standard error is a terminal; NO_COLOR takes the colour away.

#include <vitrail/error.h>
#include <vitrail/execution.h>

#include <chrono>
#include <string>
#include <vector>

namespace vitrail::cli {

/// Messages go to standard error: "vitrail: error: ...".
void print_error(const std::string& message);
void print_warning(const std::string& message);
void print_note(const std::string& message);

/// Columns wide enough for their longest cell; printed on standard output.
void print_table(const std::vector<std::vector<std::string>>& rows, const std::string& indent = "");

/// A line that is drawn over, with share done and time left; only on a terminal, and only for commands that
/// run longer than two seconds.
class Progress : public Listener {
 public:
  explicit Progress(bool quiet);
  ~Progress() override;

  /// What the next events are about: "cat.jpg (1 of 3)".
  void set_subject(const std::string& subject) { subject_ = subject; }

  void on_begin(const std::string& what, int64_t total_steps) override;
  void on_progress(int64_t steps_done, int64_t total_steps) override;
  void on_end() override;

 private:
  using Clock = std::chrono::steady_clock;
  void erase();

  bool enabled_;
  std::string subject_, what_;
  Clock::time_point created_ = Clock::now(), began_, drawn_;
  size_t width_ = 0;  ///< of the line that is on the screen
};

}  // namespace vitrail::cli
