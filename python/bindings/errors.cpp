#include <c10/util/Exception.h>
#include <vitrail/error.h>

#include <new>
#include <string>

#include "bindings.h"
#include "ops/failure.h"

namespace vitrail::python {
namespace {

/// Raises the exception of that name of vitrail.errors.
void raise(const char* name, const char* message) {
  const py::object type = py::module_::import("vitrail.errors").attr(name);
  PyErr_SetString(type.ptr(), message);
}

const char* name_of(const Error& error) {
  if (dynamic_cast<const OutOfMemoryError*>(&error)) return "OutOfMemoryError";
  switch (error.exit_code()) {
    case ExitCode::usage:
      return "UsageError";
    case ExitCode::model:
      return "ModelError";
    case ExitCode::input:
      return "InputError";
    case ExitCode::machine:
      return "MachineError";
    case ExitCode::bug:
      return "InternalError";
    default:
      return "Error";
  }
}

}  // namespace

void bind_errors(py::module_&) {
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& error) {
      raise(name_of(error), error.what());
    } catch (const std::bad_alloc&) {
      raise("OutOfMemoryError", "The machine ran out of memory. Take a smaller batch.");
    } catch (const c10::Error& error) {
      const std::string message = error.what_without_backtrace();
      if (is_out_of_memory(error))
        raise("OutOfMemoryError", ("The machine ran out of memory. Take a smaller batch. (" + message + ")").c_str());
      else
        raise("InternalError",
              ("unexpected error from libtorch: " + message + ". This is a bug in vitrail: please report it.").c_str());
    }
  });
}

}  // namespace vitrail::python
