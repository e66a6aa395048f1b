#pragma once

#include <atomic>

namespace vitrail::cli {

/// From now on the first Ctrl-C sets the flag that is returned, and the second ends the program.
const std::atomic<bool>& watch_interrupts();

}  // namespace vitrail::cli
