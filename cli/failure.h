#pragma once

#include <vitrail/error.h>

#include <string>

namespace vitrail::cli {

/// An exception as an exit code and a message for people.
struct Failure {
  ExitCode code;
  std::string message;
};

/// Of the exception that is being handled.
Failure describe_failure();

}  // namespace vitrail::cli
