#pragma once

#include <memory>
#include <utility>

#include "bindings.h"

namespace vitrail::python {

/// A Python object owned by C++: let go of with the interpreter's lock held, whichever thread does it.
using HeldObject = std::shared_ptr<py::object>;

inline HeldObject hold(py::object object) {
  return {new py::object(std::move(object)), [](py::object* held) {
            const py::gil_scoped_acquire lock;
            delete held;
          }};
}

}  // namespace vitrail::python
