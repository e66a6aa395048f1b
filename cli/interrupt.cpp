#include "interrupt.h"

#include <csignal>

namespace vitrail::cli {
namespace {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");

void on_interrupt(int) { interrupted = true; }

}  // namespace

const std::atomic<bool>& watch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESETHAND | SA_RESTART;  // the second one finds the default: to end
  sigaction(SIGINT, &action, nullptr);
  return interrupted;
}

}  // namespace vitrail::cli
