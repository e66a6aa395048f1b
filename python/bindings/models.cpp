#include <vitrail/model.h>

#include <optional>
#include <string>
#include <vector>

#include "bindings.h"

namespace vitrail::python {
namespace {

using Unlocked = py::call_guard<py::gil_scoped_release>;

Model load(const std::string& path, const std::string& preprocess, const std::string& output,
           const std::vector<int64_t>& input_size, const std::string& device, bool double_precision) {
  ModelOptions options;
  options.preprocess = preprocess;
  options.output = output;
  options.graph.input_size = input_size;
  options.graph.device = device;
  options.graph.double_precision = double_precision;
  return Model::load(path, options);
}

/// `recorded`: what results record of a plan, to make it again; empty: by timing.
Model with_plan(const Model& model, const std::optional<Tensor>& input, const std::string& precision, int64_t batch,
                bool gradients, const std::map<std::string, std::string>& recorded) {
  PlanOptions options;
  options.precision = precision;
  options.batch = batch;
  options.gradients = gradients;
  const auto said = [&](const char* key) {
    const auto found = recorded.find(key);
    return found == recorded.end() ? std::string() : found->second;
  };
  const auto number = [&](const char* key, int64_t& value) {
    if (const std::string text = said(key); !text.empty()) value = std::stoll(text);
  };
  number("chunk", options.chunk);
  number("gradient_chunk", options.gradient_chunk);
  options.side_by_side = said("side_by_side") == "yes";
  if (!said("precision").empty()) options.precision = said("precision");
  return model.with_plan(options, input.value_or(Tensor()));
}

}  // namespace

void bind_models(py::module_& module) {
  py::class_<Prediction>(module, "Prediction")
      .def_readonly("index", &Prediction::index)
      .def_readonly("label", &Prediction::label)
      .def_readonly("logit", &Prediction::logit)
      .def_readonly("probability", &Prediction::probability)
      .def_readonly("area", &Prediction::area)
      .def_readonly("box", &Prediction::box);

  py::class_<Model>(module, "Model")
      .def_static("load", &load, py::arg("path"), py::arg("preprocess"), py::arg("output"), py::arg("input_size"),
                  py::arg("device"), py::arg("double_precision"), Unlocked())
      .def_property_readonly("path", [](const Model& model) { return model.graph().path(); })
      .def_property_readonly("sha256", [](const Model& model) { return model.graph().sha256(); })
      .def_property_readonly("device", [](const Model& model) { return model.graph().device().str(); })
      .def_property_readonly("labels", &Model::labels)
      .def_property_readonly("preprocess", &Model::preprocess)
      .def_property_readonly("preprocess_source", &Model::preprocess_source)
      .def_property_readonly("warnings", &Model::warnings)
      .def_property_readonly("classes", &Model::classes)
      .def_property_readonly("output_description", &Model::output_description)
      .def_property_readonly("output_kind", [](const Model& model) { return to_string(model.output_kind()); })
      .def_property_readonly("layers", [](const Model& model) { return model.graph().layers(); })
      .def("prepare", &Model::prepare, py::arg("image"), Unlocked())
      .def(
          "predict",
          [](const Model& model, const PreparedImage& photo, int64_t top) { return model.predict(photo, top); },
          py::arg("photo"), py::arg("top"), Unlocked())
      .def(
          "targets",
          [](const Model& model, const std::vector<std::string>& strings, const PreparedImage& photo) {
            return model.targets(strings, photo);
          },
          py::arg("strings"), py::arg("photo"), Unlocked())
      .def(
          "probe",
          [](const Model& model, const std::vector<Target>& targets) {
            return std::shared_ptr<Probe>(model.probe(targets));
          },
          py::arg("targets"))
      .def(
          "logits", [](const Model& model, const Tensor& inputs) { return model.logits(inputs); }, py::arg("inputs"),
          Unlocked())
      .def(
          "run",
          [](const Model& model, const Feeds& feeds, const std::vector<std::string>& fetches) {
            return model.graph().run(feeds, fetches);
          },
          py::arg("feeds"), py::arg("fetches"), Unlocked())
      .def("with_plan", &with_plan, py::arg("input"), py::arg("precision"), py::arg("batch"), py::arg("gradients"),
           py::arg("recorded"), Unlocked())
      .def("without_plan", &Model::without_plan)
      .def_property_readonly("has_plan", [](const Model& model) { return model.plan() != nullptr; })
      .def_property_readonly("plan_gives_gradients",
                             [](const Model& model) { return model.plan() && model.plan()->has_gradients(); })
      .def_property_readonly("plan_record", [](const Model& model) {
        return model.plan() ? model.plan()->record() : std::map<std::string, std::string>{{"engine", "plain"}};
      });
}

}  // namespace vitrail::python
