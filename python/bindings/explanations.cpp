#include <vitrail/compare.h>
#include <vitrail/explanation.h>
#include <vitrail/target.h>

#include <map>
#include <optional>
#include <string>

#include "base/display.h"
#include "bindings.h"

namespace vitrail::python {
namespace {

/// Undefined tensors cross as None.
std::optional<Tensor> defined(const Tensor& tensor) {
  return tensor.defined() ? std::optional<Tensor>(tensor) : std::nullopt;
}

/// What an explanation says of its target, without what computes the score.
py::dict state_of_target(const Target& target) {
  py::dict state;
  state["string"] = target.string;
  state["index"] = target.index;
  state["versus"] = target.versus;
  state["label"] = target.label;
  state["unit"] = static_cast<int>(target.unit);
  state["name"] = target.name;
  py::list boxes;
  for (const Rectangle& box : target.boxes) boxes.append(py::make_tuple(box.x0, box.y0, box.x1, box.y1));
  state["boxes"] = boxes;
  return state;
}

Target target_of_state(const py::dict& state) {
  Target target;
  target.string = state["string"].cast<std::string>();
  target.index = state["index"].cast<int64_t>();
  target.versus = state["versus"].cast<int64_t>();
  target.label = state["label"].cast<std::string>();
  target.unit = static_cast<TargetUnit>(state["unit"].cast<int>());
  target.name = state["name"].cast<std::string>();
  for (const py::handle box : state["boxes"]) {
    const auto [x0, y0, x1, y1] = box.cast<std::tuple<double, double, double, double>>();
    target.boxes.push_back({x0, y0, x1, y1});
  }
  return target;
}

py::dict state_of(const Explanation& e) {
  py::dict state;
  state["method"] = e.method;
  state["name"] = e.name;
  state["target"] = state_of_target(e.target);
  state["map"] = defined(e.map);
  state["cells"] = defined(e.cells);
  state["standard_error"] = defined(e.standard_error);
  state["extras"] = e.extras;
  state["is_signed"] = e.is_signed;
  state["unit"] = e.unit;
  state["score"] = e.score;
  state["forwards"] = e.forwards;
  state["backwards"] = e.backwards;
  state["seconds"] = e.seconds;
  state["seed"] = e.seed;
  state["baseline"] = e.baseline;
  state["completeness_gap"] = e.completeness_gap;
  state["partial"] = e.partial;
  state["plan"] = e.plan;
  state["warnings"] = e.warnings;
  return state;
}

Tensor tensor_or_undefined(const py::handle& value) { return value.is_none() ? Tensor() : value.cast<Tensor>(); }

Explanation explanation_of_state(const py::dict& state) {
  Explanation e;
  e.method = state["method"].cast<std::string>();
  e.name = state["name"].cast<std::string>();
  e.target = target_of_state(state["target"].cast<py::dict>());
  e.map = tensor_or_undefined(state["map"]);
  e.cells = tensor_or_undefined(state["cells"]);
  e.standard_error = tensor_or_undefined(state["standard_error"]);
  e.extras = state["extras"].cast<std::map<std::string, Tensor>>();
  e.is_signed = state["is_signed"].cast<bool>();
  e.unit = state["unit"].cast<std::string>();
  e.score = state["score"].cast<double>();
  e.forwards = state["forwards"].cast<int64_t>();
  e.backwards = state["backwards"].cast<int64_t>();
  e.seconds = state["seconds"].cast<double>();
  e.seed = state["seed"].cast<uint64_t>();
  e.baseline = state["baseline"].cast<std::string>();
  e.completeness_gap = state["completeness_gap"].cast<std::optional<double>>();
  e.partial = state["partial"].cast<bool>();
  e.plan = state["plan"].cast<std::map<std::string, std::string>>();
  e.warnings = state["warnings"].cast<std::vector<std::string>>();
  return e;
}

}  // namespace

void bind_explanations(py::module_& module) {
  py::class_<Target>(module, "Target", "What was explained.")
      .def_readonly("string", &Target::string)
      .def_readonly("index", &Target::index)
      .def_readonly("versus", &Target::versus)
      .def_readonly("label", &Target::label)
      .def_property_readonly("unit", &Target::unit_name)
      .def_property_readonly("slug", &Target::slug)
      .def_property_readonly("title", &Target::title);
  module.def(
      "resolve_targets",
      [](const std::vector<std::string>& strings, const Tensor& logits, const std::vector<std::string>& labels) {
        return resolve_targets(strings, logits, labels);
      },
      py::arg("strings"), py::arg("logits"), py::arg("labels"));
  module.def("check_target_syntax", &check_target_syntax, py::arg("target"));

  py::class_<Explanation>(module, "Explanation")
      .def_readonly("method", &Explanation::method)
      .def_readonly("name", &Explanation::name)
      .def_readonly("target", &Explanation::target)
      .def_readonly("map", &Explanation::map)
      .def_property_readonly("cells", [](const Explanation& e) { return defined(e.cells); })
      .def_property_readonly("standard_error", [](const Explanation& e) { return defined(e.standard_error); })
      .def_readonly("extras", &Explanation::extras)
      .def_readonly("is_signed", &Explanation::is_signed)
      .def_readonly("unit", &Explanation::unit)
      .def_readonly("score", &Explanation::score)
      .def_readonly("forwards", &Explanation::forwards)
      .def_readonly("backwards", &Explanation::backwards)
      .def_readonly("seconds", &Explanation::seconds)
      .def_readonly("seed", &Explanation::seed)
      .def_readonly("baseline", &Explanation::baseline)
      .def_readonly("completeness_gap", &Explanation::completeness_gap)
      .def_readonly("partial", &Explanation::partial)
      .def_readonly("plan", &Explanation::plan)
      .def_readonly("warnings", &Explanation::warnings)
      .def("summary", &Explanation::summary)
      .def("state", &state_of)
      .def_static("from_state", &explanation_of_state, py::arg("state"));

  py::class_<MapComparison>(module, "MapComparison", "Two maps side by side.")
      .def_readonly("cells", &MapComparison::cells)
      .def_readonly("rank_correlation", &MapComparison::rank_correlation)
      .def_readonly("linear_correlation", &MapComparison::linear_correlation)
      .def_readonly("top", &MapComparison::top)
      .def_readonly("top_overlap", &MapComparison::top_overlap)
      .def_property_readonly("difference", [](const MapComparison& c) { return defined(c.difference); })
      .def_property_readonly("half_width", [](const MapComparison& c) { return defined(c.half_width); })
      .def_property_readonly("significant", [](const MapComparison& c) { return defined(c.significant); })
      .def_readonly("differing", &MapComparison::differing)
      .def_readonly("notes", &MapComparison::notes)
      .def_property_readonly("largest_difference", &MapComparison::largest_difference)
      .def("__repr__", [](const MapComparison& c) {
        return "<MapComparison: rank correlation " + show_number(c.rank_correlation) + ", " +
               show_share(c.top_overlap) + " of the top " + std::to_string(c.top) + " in both, " +
               std::to_string(c.differing) + " of " + std::to_string(c.cells) + " cells differ>";
      });
  module.def(
      "compare_maps",
      [](const Explanation& a, const Explanation& b, double level, double top, const std::string& correction) {
        CompareOptions options;
        options.level = level;
        options.top = top;
        options.correction = correction == "bonferroni" ? Correction::bonferroni : Correction::fdr;
        return compare_maps(a, b, options);
      },
      py::arg("a"), py::arg("b"), py::arg("level"), py::arg("top"), py::arg("correction"),
      py::call_guard<py::gil_scoped_release>());
}

}  // namespace vitrail::python
