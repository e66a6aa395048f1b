#include <vitrail/fold_study.h>
#include <vitrail/mege.h>

#include <string>
#include <tuple>
#include <vector>

#include "bindings.h"

namespace vitrail::python {

void bind_folds(py::module_& module) {
  py::class_<BootstrapInterval>(module, "BootstrapInterval")
      .def_readonly("low", &BootstrapInterval::low)
      .def_readonly("high", &BootstrapInterval::high)
      .def_readonly("reason", &BootstrapInterval::reason);

  py::class_<Mege>(module, "Mege")
      .def_readonly("mege", &Mege::mege)
      .def_readonly("reco", &Mege::reco)
      .def_readonly("mege_reason", &Mege::mege_reason)
      .def_readonly("reco_reason", &Mege::reco_reason)
      .def_readonly("threshold", &Mege::threshold)
      .def_readonly("equal", &Mege::equal)
      .def_readonly("different", &Mege::different)
      .def_readonly("undefined", &Mege::undefined);

  module.def(
      "mege",
      [](const std::vector<Tensor>& maps, const Tensor& correct, const std::vector<int64_t>& folds,
         const std::string& distance, bool strict, double level, int64_t resamples, uint64_t seed) {
        const BootstrapOptions options{.resamples = resamples, .level = level, .seed = seed};
        const auto pairs = fold_pairs({.maps = maps, .correct = correct, .folds = folds}, parse_map_distance(distance));
        const MegeIntervals intervals = mege_intervals(pairs, static_cast<int64_t>(folds.size()), strict, options);
        return std::tuple(mege_of_pairs(pairs, strict), intervals.mege, intervals.reco);
      },
      py::arg("maps"), py::arg("correct"), py::arg("folds"), py::arg("distance"), py::arg("strict"), py::arg("level"),
      py::arg("resamples"), py::arg("seed"), py::call_guard<py::gil_scoped_release>());
  module.def("split_folds", &split_folds, py::arg("images"), py::arg("folds"), py::arg("seed"));
}

}  // namespace vitrail::python
