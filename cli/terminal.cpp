#include "terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "base/display.h"

namespace vitrail::cli {
namespace {

constexpr auto kPatience = std::chrono::seconds(2);
constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr int kBarWidth = 24;

bool is_terminal() { return isatty(STDERR_FILENO) == 1; }

bool wants_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return is_terminal() && !(no_colour && *no_colour) && !(terminal && std::string(terminal) == "dumb");
}

void print_message(const std::string& kind, const char* colour, const std::string& message) {
  const std::string head = wants_colour() ? colour + kind + "\033[0m" : kind;
  std::cerr << "vitrail: " << head << message << '\n';
}

/// Letters on the screen: bytes that begin a UTF-8 character.
size_t letters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

void print_error(const std::string& message) { print_message("error: ", "\033[1;31m", message); }
void print_warning(const std::string& message) { print_message("warning: ", "\033[33m", message); }
void print_note(const std::string& message) { print_message("", "", message); }

void print_table(const std::vector<std::vector<std::string>>& rows, const std::string& indent) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], letters(row[i]));
  }
  for (const auto& row : rows) {
    std::string line = indent;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - letters(row[i]) + 2, ' ');
    }
    std::cout << line << '\n';
  }
}

Progress::Progress(bool quiet) : enabled_(!quiet && is_terminal()) {}
Progress::~Progress() { erase(); }

void Progress::on_begin(const std::string& what, int64_t total_steps) {
  what_ = what;
  began_ = Clock::now();
  on_progress(0, total_steps);
}

void Progress::on_progress(int64_t steps_done, int64_t total_steps) {
  const auto now = Clock::now();
  if (!enabled_ || total_steps <= 0 || now - created_ < kPatience || now - drawn_ < kRedraw) return;
  drawn_ = now;
  const double share = std::clamp(static_cast<double>(steps_done) / static_cast<double>(total_steps), 0.0, 1.0);
  const double elapsed = std::chrono::duration<double>(now - began_).count();
  const int filled = static_cast<int>(share * kBarWidth);
  std::string line = subject_ + "  " + what_ + "  [" + std::string(filled, '#') + std::string(kBarWidth - filled, '.') +
                     "] " + show_share(share);
  if (share > 0 && elapsed > 0.5) line += "  " + show_duration(elapsed / share - elapsed) + " left";
  if (letters(line) >= terminal_width()) line.resize(terminal_width() - 1);
  erase();
  std::cerr << line << std::flush;
  width_ = letters(line);
}

void Progress::on_end() { erase(); }

void Progress::erase() {
  if (width_ > 0) std::cerr << '\r' << std::string(width_, ' ') << '\r' << std::flush;
  width_ = 0;
}

}  // namespace vitrail::cli
