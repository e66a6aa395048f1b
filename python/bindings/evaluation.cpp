#include <vitrail/evaluate.h>
#include <vitrail/human_alignment.h>
#include <vitrail/shape_bias.h>
#include <vitrail/truth.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bindings.h"
#include "listener.h"

namespace vitrail::python {
namespace {

using SharedMetric = std::shared_ptr<Metric>;
using SharedMethod = std::shared_ptr<Method>;

/// Metrics as the library takes them, held by Python meanwhile.
class BorrowedMetric : public Metric {
 public:
  explicit BorrowedMetric(SharedMetric metric) : metric_(std::move(metric)) {}
  const MetricInfo& info() const override { return metric_->info(); }
  std::string canonical() const override { return metric_->canonical(); }
  Direction direction() const override { return metric_->direction(); }
  MetricScore score(const MetricCase& map) const override { return metric_->score(map); }

 private:
  SharedMetric metric_;
};

Metrics borrow(const std::vector<SharedMetric>& metrics) {
  Metrics borrowed;
  for (const SharedMetric& metric : metrics) borrowed.push_back(std::make_unique<BorrowedMetric>(metric));
  return borrowed;
}

Methods parsed(const std::vector<std::string>& strings) {
  Methods methods;
  for (const std::string& text : strings) methods.push_back(parse_method(text));
  return methods;
}

const char* word(Direction direction) { return direction == Direction::higher ? "higher" : "lower"; }

}  // namespace

void bind_evaluation(py::module_& module) {
  py::class_<MetricInfo>(module, "MetricInfo", "What a metric is, needs and costs.")
      .def_readonly("name", &MetricInfo::name)
      .def_readonly("family", &MetricInfo::family)
      .def_readonly("aliases", &MetricInfo::aliases)
      .def_readonly("summary", &MetricInfo::summary)
      .def_readonly("formula", &MetricInfo::formula)
      .def_property_readonly("direction", [](const MetricInfo& info) { return word(info.direction); })
      .def_readonly("range", &MetricInfo::range)
      .def_readonly("curve", &MetricInfo::curve)
      .def_readonly("cost", &MetricInfo::cost)
      .def_readonly("source", &MetricInfo::source)
      .def_readonly("options", &MetricInfo::options)
      .def_property_readonly("needs_truth", [](const MetricInfo& info) { return info.evidence == Evidence::truth; })
      .def_property_readonly("needs_human_map",
                             [](const MetricInfo& info) { return info.evidence == Evidence::human_map; })
      .def_property_readonly("needs_model", [](const MetricInfo& info) { return info.evidence == Evidence::model; })
      .def("__repr__", [](const MetricInfo& info) { return "<MetricInfo " + info.name + ": " + info.summary + ">"; });

  py::class_<Metric, SharedMetric>(module, "Metric")
      .def_property_readonly("info", &Metric::info)
      .def_property_readonly("canonical", &Metric::canonical)
      .def_property_readonly("direction", [](const Metric& metric) { return word(metric.direction()); });
  module.def("metrics", &metrics);
  module.def(
      "parse_metrics",
      [](const std::string& text, std::optional<uint64_t> seed) {
        std::vector<SharedMetric> shared;
        for (auto& metric : parse_metrics(text, seed)) shared.push_back(std::move(metric));
        return shared;
      },
      py::arg("text"), py::arg("seed"));

  py::class_<MetricScore>(module, "MetricScore", "What a metric says of one map.")
      .def_readonly("value", &MetricScore::value)
      .def_readonly("undefined", &MetricScore::undefined)
      .def_property_readonly(
          "curve_x", [](const MetricScore& s) { return s.curve_x.defined() ? std::optional(s.curve_x) : std::nullopt; })
      .def_property_readonly(
          "curve_y", [](const MetricScore& s) { return s.curve_y.defined() ? std::optional(s.curve_y) : std::nullopt; })
      .def_readonly("parts", &MetricScore::parts)
      .def_readonly("forwards", &MetricScore::forwards)
      .def_readonly("backwards", &MetricScore::backwards);

  py::class_<MethodEvaluation>(module, "MethodEvaluation")
      .def(py::init([](const std::string& refused) { return MethodEvaluation{.refused = refused}; }),
           py::arg("refused"))
      .def_readonly("refused", &MethodEvaluation::refused)
      .def_readonly("forwards", &MethodEvaluation::forwards)
      .def_readonly("backwards", &MethodEvaluation::backwards)
      .def_readonly("seconds", &MethodEvaluation::seconds)
      .def_readonly("scores", &MethodEvaluation::scores)
      .def_readonly("score_seconds", &MethodEvaluation::score_seconds)
      .def_readonly("repeats", &MethodEvaluation::repeats);

  py::class_<PhotoEvaluation>(module, "PhotoEvaluation")
      .def(py::init([](const std::string& path, const std::string& problem, std::vector<MethodEvaluation> methods,
                       std::map<std::string, double> ceilings) {
             return PhotoEvaluation{
                 .path = path, .problem = problem, .methods = std::move(methods), .ceilings = std::move(ceilings)};
           }),
           py::arg("path"), py::arg("problem"), py::arg("methods"), py::arg("ceilings"))
      .def_readonly("path", &PhotoEvaluation::path)
      .def_readonly("problem", &PhotoEvaluation::problem)
      .def_readonly("methods", &PhotoEvaluation::methods)
      .def_readonly("ceilings", &PhotoEvaluation::ceilings);

  module.def(
      "reseeded", [](const SharedMethod& method, uint64_t by) { return SharedMethod(reseeded(*method, by)); },
      py::arg("method"), py::arg("by"));
  module.def("average_repeats", &average_repeats, py::arg("repeats"));
  module.def("as_probability", &as_probability, py::arg("target"));
  module.def("truth_of_target", &truth_of_target, py::arg("target"), py::arg("photo"));
  module.def("mean_human_map", &mean_human_map, py::arg("maps"));
  module.def(
      "human_ceilings",
      [](const std::vector<SharedMetric>& metrics, const Tensor& maps) {
        return human_ceilings(borrow(metrics), maps);
      },
      py::arg("metrics"), py::arg("maps"), py::call_guard<py::gil_scoped_release>());
  module.def(
      "judge",
      [](const Explanation& explanation, const Scorer& scorer, const Scorer* probability, const Scorer& fast,
         const Tensor& input, const SharedMethod& method, const Model* model, const Target& target,
         const std::optional<Tensor>& truth, const std::optional<Tensor>& human_map,
         const std::vector<SharedMetric>& metrics, bool leave_out, const ExecutionArguments& how) {
        return how([&](const Execution& execution) {
          const MetricCase map{.scorer = &scorer,
                               .probability = probability,
                               .input = input[0],
                               .method = method.get(),
                               .model = model,
                               .target = target,
                               .truth = truth.value_or(Tensor()),
                               .human_map = human_map.value_or(Tensor()),
                               .execution = execution};
          return judge(explanation, map, fast, borrow(metrics),
                       leave_out ? WhereRefused::leave_out : WhereRefused::fail);
        });
      },
      py::arg("explanation"), py::arg("scorer"), py::arg("probability"), py::arg("fast"), py::arg("input"),
      py::arg("method"), py::arg("model"), py::arg("target"), py::arg("truth"), py::arg("human_map"),
      py::arg("metrics"), py::arg("leave_out"), py::arg("execution"));

  py::class_<EvaluationRow>(module, "EvaluationRow", "A method's mean score by a metric.")
      .def_readonly("method", &EvaluationRow::method_name)
      .def_readonly("metric", &EvaluationRow::metric_name)
      .def_readonly("method_string", &EvaluationRow::method)
      .def_readonly("metric_string", &EvaluationRow::metric)
      .def_property_readonly("direction", [](const EvaluationRow& row) { return word(row.direction); })
      .def_readonly("mean", &EvaluationRow::mean)
      .def_readonly("low", &EvaluationRow::low)
      .def_readonly("high", &EvaluationRow::high)
      .def_readonly("n", &EvaluationRow::n)
      .def_readonly("undefined", &EvaluationRow::undefined)
      .def_readonly("reasons", &EvaluationRow::reasons)
      .def_readonly("forwards", &EvaluationRow::forwards)
      .def_readonly("backwards", &EvaluationRow::backwards)
      .def_readonly("seconds", &EvaluationRow::seconds)
      .def_readonly("curve_x", &EvaluationRow::curve_x)
      .def_readonly("curve_y", &EvaluationRow::curve_y)
      .def_readonly("variance_images", &EvaluationRow::variance_images)
      .def_readonly("variance_sampling", &EvaluationRow::variance_sampling)
      .def_readonly("ceiling_share", &EvaluationRow::ceiling_share);

  py::class_<EvaluationComparison>(module, "EvaluationComparison", "Two methods on the same photos.")
      .def_readonly("metric", &EvaluationComparison::metric)
      .def_readonly("a", &EvaluationComparison::a)
      .def_readonly("b", &EvaluationComparison::b)
      .def_readonly("difference", &EvaluationComparison::difference)
      .def_readonly("low", &EvaluationComparison::low)
      .def_readonly("high", &EvaluationComparison::high)
      .def_readonly("p", &EvaluationComparison::p)
      .def_readonly("adjusted_p", &EvaluationComparison::adjusted_p)
      .def_readonly("effect", &EvaluationComparison::effect)
      .def_readonly("share", &EvaluationComparison::share)
      .def_readonly("n", &EvaluationComparison::n)
      .def_readonly("better", &EvaluationComparison::better);

  py::class_<ShapeBias>(module, "ShapeBias", "Shape decisions / (shape + texture decisions), with its interval.")
      .def_readonly("shape", &ShapeBias::shape)
      .def_readonly("texture", &ShapeBias::texture)
      .def_readonly("other", &ShapeBias::other)
      .def_readonly("value", &ShapeBias::value)
      .def_readonly("low", &ShapeBias::low)
      .def_readonly("high", &ShapeBias::high);
  module.def(
      "shape_bias",
      [](const std::vector<std::array<std::string, 4>>& decisions, double level, int64_t resamples, uint64_t seed) {
        std::vector<CueConflictDecision> all;
        for (const auto& [image, shape, texture, answer] : decisions) all.push_back({image, shape, texture, answer});
        return shape_bias(all, {.resamples = resamples, .level = level, .seed = seed});
      },
      py::arg("decisions"), py::arg("level"), py::arg("resamples"), py::arg("seed"));
  module.def("error_consistency", py::overload_cast<double, double, double>(&error_consistency), py::arg("agreement"),
             py::arg("accuracy_a"), py::arg("accuracy_b"));

  py::class_<EvaluationCeiling>(module, "EvaluationCeiling", "How well people agree with each other by a metric.")
      .def_readonly("metric", &EvaluationCeiling::metric_name)
      .def_readonly("metric_string", &EvaluationCeiling::metric)
      .def_readonly("mean", &EvaluationCeiling::mean)
      .def_readonly("low", &EvaluationCeiling::low)
      .def_readonly("high", &EvaluationCeiling::high)
      .def_readonly("n", &EvaluationCeiling::n);

  py::class_<Evaluation>(module, "Evaluation")
      .def_readonly("rows", &Evaluation::rows)
      .def_readonly("comparisons", &Evaluation::comparisons)
      .def_readonly("ceilings", &Evaluation::ceilings)
      .def_readonly("concordance", &Evaluation::concordance)
      .def_readonly("concordance_p", &Evaluation::concordance_p)
      .def_readonly("photos", &Evaluation::photos)
      .def_readonly("failed", &Evaluation::failed)
      .def("table", &Evaluation::table);
  module.def(
      "summarise",
      [](const std::vector<PhotoEvaluation>& photos, const std::vector<std::string>& methods,
         const std::vector<SharedMetric>& metrics, double level, int64_t resamples, uint64_t seed) {
        const SummaryOptions options{.level = level, .resamples = resamples, .seed = seed};
        return summarise(photos, parsed(methods), borrow(metrics), options);
      },
      py::arg("photos"), py::arg("methods"), py::arg("metrics"), py::arg("level"), py::arg("resamples"),
      py::arg("seed"), py::call_guard<py::gil_scoped_release>());
}

}  // namespace vitrail::python
