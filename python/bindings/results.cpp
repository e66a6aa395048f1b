#include <vitrail/report.h>
#include <vitrail/reproduce.h>
#include <vitrail/saved_result.h>

#include <filesystem>
#include <string>
#include <vector>

#include "bindings.h"
#include "listener.h"

namespace vitrail::python {
namespace {

using Unlocked = py::call_guard<py::gil_scoped_release>;

Methods parsed(const std::vector<std::string>& strings) {
  Methods methods;
  for (const std::string& text : strings) methods.push_back(parse_method(text));
  return methods;
}

/// What a run of these methods records of itself. `plan`: what was asked for, as RunRecord says it.
RunRecord record(const Model& model, const std::vector<std::string>& methods, const std::vector<std::string>& targets,
                 int64_t batch, const std::string& budget, const std::string& plan, const std::string& output,
                 const std::vector<int64_t>& input_size) {
  Execution execution;
  execution.batch = batch;
  RunRecord run = record_run(model, parsed(methods), targets, execution);
  run.plan = plan;
  run.budget = budget;
  run.output = output;
  run.input_size = input_size;
  run.directory = std::filesystem::current_path().string();
  return run;
}

}  // namespace

void bind_results(py::module_& module) {
  module.def("draw", &draw, py::arg("explanation"), py::arg("photo"), py::arg("placed"), Unlocked());

  py::class_<RunRecord>(module, "RunRecord")
      .def(py::init(&record), py::arg("model"), py::arg("methods"), py::arg("targets"), py::arg("batch"),
           py::arg("budget"), py::arg("plan"), py::arg("output"), py::arg("input_size"));

  py::class_<ImageResult>(module, "ImageResult")
      .def(py::init([](const Image& image, const PreparedImage& prepared, const std::vector<Prediction>& prediction,
                       const std::vector<Explanation>& explanations, bool interrupted, const RunRecord& run) {
             ImageResult result;
             result.image = image;
             result.placed = prepared.placed;
             result.prediction = prediction;
             result.explanations = explanations;
             result.interrupted = interrupted;
             result.run = run;
             return result;
           }),
           py::arg("image"), py::arg("prepared"), py::arg("prediction"), py::arg("explanations"),
           py::arg("interrupted"), py::arg("run"));

  py::class_<Report>(module, "Report")
      .def(py::init(
               [](const std::string& folder, const Model& model) { return std::make_unique<Report>(folder, model); }),
           py::arg("folder"), py::arg("model"), py::keep_alive<1, 3>())
      .def(
          "add",
          [](Report& report, const ImageResult& result, const std::string& name) {
            return report.add(result, name).folder.string();
          },
          py::arg("result"), py::arg("name"), Unlocked())
      .def(
          "add_failure",
          [](Report& report, const std::string& image, const std::string& message, const std::string& name) {
            report.add_failure(image, message, name);
          },
          py::arg("image"), py::arg("message"), py::arg("name"), Unlocked())
      .def("finish", [](Report& report) { return report.finish().string(); }, Unlocked());

  module.def(
      "folder_names",
      [](const std::vector<std::string>& photos) {
        return folder_names(std::vector<std::filesystem::path>(photos.begin(), photos.end()));
      },
      py::arg("photos"));
  module.def(
      "has_result",
      [](const std::string& folder, const std::string& photo, const Model& model, const RunRecord& run) {
        return find_former_result(folder, photo, model, run).result.has_value();
      },
      py::arg("folder"), py::arg("photo"), py::arg("model"), py::arg("run"), Unlocked());

  py::class_<SavedResult>(module, "SavedResult")
      .def_readonly("version", &SavedResult::version)
      .def_readonly("model_path", &SavedResult::model_path)
      .def_readonly("image_path", &SavedResult::image_path)
      .def_readonly("partial", &SavedResult::partial)
      .def_readonly("prediction", &SavedResult::prediction)
      .def_readonly("placed", &SavedResult::placed)
      .def_property_readonly("count", [](const SavedResult& saved) { return saved.explanations.size(); })
      .def("load", &SavedResult::load, py::arg("index"), Unlocked())
      .def("photo", &SavedResult::photo, Unlocked());
  module.def(
      "read_result", [](const std::string& path) { return read_result(path); }, py::arg("result_json"), Unlocked());

  py::class_<ReproducedMap>(module, "ReproducedMap")
      .def_readonly("method", &ReproducedMap::method)
      .def_readonly("target", &ReproducedMap::target)
      .def_readonly("same_bytes", &ReproducedMap::same_bytes)
      .def_readonly("max_difference", &ReproducedMap::max_difference)
      .def_readonly("range", &ReproducedMap::range)
      .def_readonly("same", &ReproducedMap::same)
      .def_readonly("problem", &ReproducedMap::problem);
  py::class_<Reproduction>(module, "Reproduction")
      .def_readonly("differences", &Reproduction::differences)
      .def_readonly("same_question", &Reproduction::same_question)
      .def_readonly("maps", &Reproduction::maps)
      .def_property_readonly("same", &Reproduction::same);
  module.def(
      "reproduce",
      [](const SavedResult& saved, const std::string& model, const std::string& image, double tolerance,
         const ExecutionArguments& how) {
        ReproduceOptions options;
        options.model = model;
        options.image = image;
        options.tolerance = tolerance;
        return how([&](const Execution& execution) { return reproduce(saved, options, execution); });
      },
      py::arg("saved"), py::arg("model"), py::arg("image"), py::arg("tolerance"), py::arg("execution"));
}

}  // namespace vitrail::python
