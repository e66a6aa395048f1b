#include <vitrail/memory.h>
#include <vitrail/version.h>

#include "bindings.h"

PYBIND11_MODULE(_native, module) {
  namespace py = pybind11;
  using namespace vitrail;
  module.doc() = "Bindings of the C++ library; use the package vitrail.";
  python::bind_errors(module);
  python::bind_images(module);
  python::bind_explanations(module);
  python::bind_scorers(module);
  python::bind_models(module);
  python::bind_methods(module);
  python::bind_results(module);
  python::bind_evaluation(module);
  python::bind_folds(module);

  module.def("version", &version);
  module.def("use_caching_allocator", &use_caching_allocator);
  module.def("limit_memory", &limit_memory, py::arg("bytes"));
  module.def("release_kept_memory", &release_kept_memory);
  module.def("memory_use", [] {
    const MemoryUse use = memory_use();
    return py::make_tuple(use.resident, use.live, use.kept);
  });
}
