#pragma once

#include <exception>
#include <functional>
#include <string>

namespace vitrail::testing {

/// The message of the E that `call` throws; of anything else, what came instead.
template <class E>
std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("another exception: ") + error.what();
  }
  return "no exception";
}

}  // namespace vitrail::testing
