#include "failure.h"

#include <new>

#include "ops/failure.h"

namespace vitrail::cli {
namespace {

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
    if (is_out_of_memory(error)) return {ExitCode::machine, kMemoryAdvice + " (" + message + ")"};
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
