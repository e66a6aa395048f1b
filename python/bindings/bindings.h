#pragma once

// The parts of the module vitrail._native, one function a file of bindings. They are as thin as they can be: names and
// meaning are those of the C++ headers, tensors cross as torch's own with their graph of autograd, what computes
// releases the interpreter's lock. What a Python user sees is the package around them.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <torch/csrc/utils/pybind.h>

namespace vitrail::python {

namespace py = pybind11;

void bind_errors(py::module_& module);
void bind_images(py::module_& module);
void bind_explanations(py::module_& module);
void bind_scorers(py::module_& module);
void bind_models(py::module_& module);
void bind_methods(py::module_& module);
void bind_results(py::module_& module);
void bind_evaluation(py::module_& module);
void bind_folds(py::module_& module);

}  // namespace vitrail::python
