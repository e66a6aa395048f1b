#pragma once

// The errors that vitrail throws. Every message says what was found, what was expected and what
// to do. The library never aborts and never prints; a command turns an error into its exit code.
//
//   try { auto model = vitrail::Model::load("m.onnx"); }
//   catch (const vitrail::ModelError& e) { ... e.what() ... }
//
// Two families: the caller's mistakes and the machine's failures (`Error` and what derives from
// it), and bugs of vitrail itself (`InternalError`, thrown by VITRAIL_CHECK).

#include <stdexcept>
#include <string>

namespace vitrail {

/// Exit codes of the command, one for each family of errors.
enum class ExitCode : int {
  done = 0,
  some_inputs_failed = 1,
  usage = 2,
  model = 3,
  input = 4,
  machine = 5,
  bug = 70,
  interrupted = 130,
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode exit_code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// The call is wrong: an unknown method, option, target, layer or value name, a value out of range.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(ExitCode::usage, message) {}
};

/// The model cannot be used: unreadable file, unsupported operator, wrong shapes.
class ModelError : public Error {
 public:
  explicit ModelError(const std::string& message) : Error(ExitCode::model, message) {}
};

/// An input cannot be used: not an image, truncated, too large, wrong size.
class InputError : public Error {
 public:
  explicit InputError(const std::string& message) : Error(ExitCode::input, message) {}
};

/// The machine failed: memory, disk, permission.
class MachineError : public Error {
 public:
  explicit MachineError(const std::string& message) : Error(ExitCode::machine, message) {}
};

/// There is not enough memory. What runs samples takes smaller batches first.
class OutOfMemoryError : public MachineError {
 public:
  using MachineError::MachineError;
};

/// A bug in vitrail. The message names the place and asks for a report.
class InternalError : public Error {
 public:
  explicit InternalError(const std::string& message) : Error(ExitCode::bug, message) {}
};

[[noreturn]] inline void throw_internal_error(const char* condition, const char* file, int line,
                                              const std::string& message) {
  throw InternalError("internal check failed at " + std::string(file) + ":" + std::to_string(line) + ": " + condition +
                      (message.empty() ? "" : " (" + message + ")") + ". This is a bug in vitrail: please report it.");
}

}  // namespace vitrail

/// An invariant of vitrail's own code; never for checking what a caller or a file says.
#define VITRAIL_CHECK(condition, message) \
  ((condition) ? void() : ::vitrail::throw_internal_error(#condition, __FILE__, __LINE__, (message)))
