#include <vitrail/error.h>
#include <vitrail/scorer.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bindings.h"
#include "held_object.h"

namespace vitrail::python {
namespace {

/// Whether a Python exception says that memory ran out: methods then take smaller batches.
bool is_out_of_memory(const py::error_already_set& error) {
  if (error.matches(PyExc_MemoryError)) return true;
  const std::string text = error.what();
  return text.find("OutOfMemoryError") != std::string::npos || text.find("not enough memory") != std::string::npos ||
         text.find("can't allocate memory") != std::string::npos;
}

/// `call` with the interpreter's lock; Python exceptions pass as they are, but those for want of memory.
template <class Call>
auto in_python(const Call& call) {
  const py::gil_scoped_acquire lock;
  try {
    return call();
  } catch (const py::error_already_set& error) {
    if (is_out_of_memory(error)) throw OutOfMemoryError(error.what());
    throw;
  }
}

/// What a Python object (vitrail.wrap) says of inputs [N,C,H,W]: rows of scores, by its methods. The object sees
/// tensors, and whether gradients are recorded as torch says it.
template <class Base>
class OfPython : public Base {
 public:
  OfPython(py::object network, std::vector<Target> targets)
      : network_(hold(std::move(network))), targets_(std::move(targets)) {}

  Tensor score(const Tensor& inputs) const override { return target_scores(call<Tensor>("rows", inputs), targets_); }
  std::vector<Target> targets() const override { return targets_; }
  std::map<std::string, std::string> engine() const override { return {{"engine", "python"}}; }
  Tensor pixel(double value, int64_t channels) const override { return call<Tensor>("pixel", value, channels); }
  Tensor prepare(const std::filesystem::path& photo) const override {
    return call<Tensor>("prepare_file", photo.string());
  }

 protected:
  template <class Result, class... Arguments>
  Result call(const char* method, const Arguments&... arguments) const {
    return in_python([&] { return network_->attr(method)(arguments...).template cast<Result>(); });
  }
  const std::vector<Target>& resolved() const { return targets_; }

 private:
  HeldObject network_;
  std::vector<Target> targets_;
};

using PythonScorer = OfPython<Scorer>;

class PythonDifferentiableScorer : public OfPython<DifferentiableScorer> {
 public:
  using OfPython::OfPython;
  Tensor differentiable_score(const Tensor& inputs) const override { return score(inputs); }
};

class PythonProbe : public OfPython<Probe> {
 public:
  using OfPython::OfPython;
  Tensor differentiable_score(const Tensor& inputs) const override { return score(inputs); }

  std::vector<LayerInfo> spatial_layers() const override {
    using Row = std::tuple<std::string, std::string, int64_t, int64_t, int64_t>;
    std::vector<LayerInfo> layers;
    for (const Row& row : call<std::vector<Row>>("spatial_layers")) {
      LayerInfo& layer = layers.emplace_back();
      std::tie(layer.name, layer.op, layer.channels, layer.height, layer.width) = row;
      layer.value = layer.name;
    }
    return layers;
  }

  Tensor activation(const Tensor& inputs, const std::string& layer) const override {
    return call<Tensor>("activation", inputs, layer);
  }

  Tensor score_from(const Tensor& inputs, const std::string& layer, const Tensor& activation) const override {
    return target_scores(call<Tensor>("rows_from", inputs, layer, activation), resolved());
  }
};

}  // namespace

void bind_scorers(py::module_& module) {
  py::class_<Scorer, std::shared_ptr<Scorer>>(module, "Scorer")
      .def("score", &Scorer::score, py::arg("inputs"), py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("targets", &Scorer::targets);
  py::class_<DifferentiableScorer, Scorer, std::shared_ptr<DifferentiableScorer>>(module, "DifferentiableScorer")
      .def("differentiable_score", &DifferentiableScorer::differentiable_score, py::arg("inputs"),
           py::call_guard<py::gil_scoped_release>());
  py::class_<Probe, DifferentiableScorer, std::shared_ptr<Probe>>(module, "Probe")
      .def("spatial_layers", &Probe::spatial_layers, py::call_guard<py::gil_scoped_release>())
      .def("activation", &Probe::activation, py::arg("inputs"), py::arg("layer"),
           py::call_guard<py::gil_scoped_release>())
      .def("score_from", &Probe::score_from, py::arg("inputs"), py::arg("layer"), py::arg("activation"),
           py::call_guard<py::gil_scoped_release>());
  py::class_<PythonScorer, Scorer, std::shared_ptr<PythonScorer>>(module, "PythonScorer")
      .def(py::init<py::object, std::vector<Target>>(), py::arg("network"), py::arg("targets"));
  py::class_<PythonDifferentiableScorer, DifferentiableScorer, std::shared_ptr<PythonDifferentiableScorer>>(
      module, "PythonDifferentiableScorer")
      .def(py::init<py::object, std::vector<Target>>(), py::arg("network"), py::arg("targets"));
  py::class_<PythonProbe, Probe, std::shared_ptr<PythonProbe>>(module, "PythonProbe")
      .def(py::init<py::object, std::vector<Target>>(), py::arg("network"), py::arg("targets"));
  py::class_<LayerInfo>(module, "LayerInfo")
      .def_readonly("name", &LayerInfo::name)
      .def_readonly("value", &LayerInfo::value)
      .def_readonly("op", &LayerInfo::op)
      .def_readonly("channels", &LayerInfo::channels)
      .def_readonly("height", &LayerInfo::height)
      .def_readonly("width", &LayerInfo::width)
      .def_property_readonly("shape", [](const LayerInfo& layer) { return to_string(layer.shape); });
}

}  // namespace vitrail::python
