#include "failure.h"

#include <c10/util/Exception.h>

#include <new>

namespace vitrail::cli {
namespace {

bool means_out_of_memory(const std::string& message) {
  return message.find("can't allocate memory") != std::string::npos ||
         message.find("not enough memory") != std::string::npos || message.find("out of memory") != std::string::npos;
}

const std::string kMemoryAdvice = "The machine ran out of memory. Take a smaller --batch, or a smaller --input-size.";

}  // namespace

Failure describe_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.exit_code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ExitCode::machine, kMemoryAdvice};
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    if (means_out_of_memory(message)) return {ExitCode::machine, kMemoryAdvice + " (" + message + ")"};
    return {ExitCode::bug,
            "unexpected error from libtorch: " + message + ". This is a bug in vitrail: please report it."};
  } catch (const std::exception& error) {
    return {ExitCode::bug,
            "unexpected error: " + std::string(error.what()) + ". This is a bug in vitrail: please report it."};
  } catch (...) {
    return {ExitCode::bug, "an error of unknown kind. This is a bug in vitrail: please report it."};
  }
}

}  // namespace vitrail::cli
