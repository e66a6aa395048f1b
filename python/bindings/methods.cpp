#include <vitrail/method.h>
#include <vitrail/partial_results.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bindings.h"
#include "listener.h"

namespace vitrail::python {

void bind_methods(py::module_& module) {
  py::class_<Cancellation, std::shared_ptr<Cancellation>>(module, "Cancellation",
                                                          "Set it, from any thread, to end a run with partial results.")
      .def(py::init<>())
      .def("cancel", [](Cancellation& c) { c.cancelled = true; })
      .def_property_readonly("cancelled", [](const Cancellation& c) { return c.cancelled.load(); });

  py::class_<ExecutionArguments>(module, "Execution")
      .def(py::init([](int64_t batch, const std::string& budget, bool incremental, py::object progress,
                       std::shared_ptr<Cancellation> cancellation) {
             return ExecutionArguments{batch, budget, incremental, std::move(progress), std::move(cancellation)};
           }),
           py::arg("batch"), py::arg("budget"), py::arg("incremental"), py::arg("progress"), py::arg("cancellation"));

  py::class_<OptionInfo>(module, "OptionInfo", "An option of a method.")
      .def_readonly("name", &OptionInfo::name)
      .def_readonly("type", &OptionInfo::type)
      .def_readonly("default_value", &OptionInfo::default_value)
      .def_readonly("description", &OptionInfo::description);

  py::class_<MethodInfo>(module, "MethodInfo", "What a method is, needs and costs.")
      .def_readonly("name", &MethodInfo::name)
      .def_readonly("family", &MethodInfo::family)
      .def_readonly("aliases", &MethodInfo::aliases)
      .def_readonly("summary", &MethodInfo::summary)
      .def_readonly("formula", &MethodInfo::formula)
      .def_readonly("cost", &MethodInfo::cost)
      .def_readonly("guarantees", &MethodInfo::guarantees)
      .def_readonly("source", &MethodInfo::source)
      .def_property_readonly("needs",
                             [](const MethodInfo& info) {
                               switch (info.access) {
                                 case Access::scorer:
                                   return "scorer";
                                 case Access::gradient:
                                   return "gradient";
                                 case Access::layer:
                                   return "layer";
                                 case Access::graph:
                                   return "graph";
                               }
                               return "";
                             })
      .def_readonly("is_signed", &MethodInfo::is_signed)
      .def_readonly("unit", &MethodInfo::unit)
      .def_readonly("repeats_gradients", &MethodInfo::repeats_gradients)
      .def_property_readonly("uses_plan", &MethodInfo::uses_plan)
      .def_readonly("options", &MethodInfo::options)
      .def("__repr__", [](const MethodInfo& info) { return "<MethodInfo " + info.name + ": " + info.summary + ">"; });

  py::class_<Method, std::shared_ptr<Method>>(module, "Method")
      .def_property_readonly("info", &Method::info)
      .def_property_readonly("canonical", &Method::canonical)
      .def("cost",
           [](const Method& method, int64_t height, int64_t width, int64_t targets) {
             const Method::Cost cost = method.cost(height, width, targets);
             return py::make_tuple(cost.forwards, cost.backwards);
           })
      .def(
          "explain",
          [](const Method& method, const Scorer& scorer, const Tensor& inputs, const ExecutionArguments& how) {
            return how([&](const Execution& execution) { return method.explain(scorer, inputs, execution); });
          },
          py::arg("scorer"), py::arg("inputs"), py::arg("execution"));
  module.def("methods", &methods);
  module.def(
      "parse_methods",
      [](const std::string& text, std::optional<uint64_t> seed) {
        std::vector<std::shared_ptr<Method>> shared;
        for (auto& method : parse_methods(text, seed)) shared.push_back(std::move(method));
        return shared;
      },
      py::arg("text"), py::arg("seed"));

  py::class_<PartialResults>(module, "PartialResults")
      .def(py::init<std::shared_ptr<const Method>, std::shared_ptr<const Scorer>, Tensor, int64_t>(), py::arg("method"),
           py::arg("scorer"), py::arg("inputs"), py::arg("first"))
      .def(
          "next",
          [](PartialResults& results, const ExecutionArguments& how) {
            return how([&](const Execution& execution) { return results.next(execution); });
          },
          py::arg("execution"));
}

}  // namespace vitrail::python
