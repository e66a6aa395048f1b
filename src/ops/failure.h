#pragma once

// What goes wrong inside an operator, said with the node it happened at.

#include <c10/util/Exception.h>

#include <string>

#include "ops/attributes.h"

namespace vitrail {

/// "Conv node 'conv1'".
std::string node_title(const NodeSpec& node);

/// Whether libtorch failed because the machine has no memory left: its CPU allocator has no type of its own for that.
bool is_out_of_memory(const c10::Error& error);

/// For a catch block of everything: throws again what is being handled, as an error that begins with `where`.
/// Memory that ran out becomes a MachineError, all else that an operator throws a ModelError; bugs stay what they are.
[[noreturn]] void rethrow_at(const std::string& where);

}  // namespace vitrail
