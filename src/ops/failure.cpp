#include "ops/failure.h"

#include <new>
#include <stdexcept>
#include <string_view>

#include "vitrail/error.h"

namespace vitrail {

std::string node_title(const NodeSpec& node) {
  const std::string name = !node.name.empty() ? node.name : node.outputs.empty() ? "" : "-> " + node.outputs[0];
  return node.op_type + " node '" + name + "'";
}

bool is_out_of_memory(const c10::Error& error) {
  const std::string_view message = error.what_without_backtrace();
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) || message.find("can't allocate memory") != message.npos ||
         message.find("not enough memory") != message.npos;
}

void rethrow_at(const std::string& where) {
  const std::string no_memory = where + " needs more memory than there is. Use a smaller batch or input size.";
  try {
    throw;
  } catch (const c10::Error& error) {
    if (is_out_of_memory(error)) throw OutOfMemoryError(no_memory + " (" + error.what_without_backtrace() + ")");
    throw ModelError(where + " cannot be computed: " + error.what_without_backtrace() +
                     ". The shapes do not fit together: check the input size, or export the model again.");
  } catch (const InternalError&) {
    throw;
  } catch (const Error& error) {
    const std::string message = where + ": " + error.what();
    if (dynamic_cast<const OutOfMemoryError*>(&error)) throw OutOfMemoryError(message);
    if (error.exit_code() == ExitCode::machine) throw MachineError(message);
    throw ModelError(message);
  } catch (const std::bad_alloc&) {
    throw OutOfMemoryError(no_memory);
  } catch (const std::runtime_error& error) {
    // What ATen says, in no type of its own, where a type cannot hold a number.
    if (std::string_view(error.what()).find("without overflow") == std::string_view::npos) throw;
    throw ModelError(where + " cannot be computed: " + error.what() + ". Check the types of its inputs.");
  }
}

}  // namespace vitrail
