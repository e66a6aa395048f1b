// The examination, part by part; each part that fails leaves a warning and the others go on.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rand.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <set>

#include "base/display.h"
#include "doctor/agreement.h"
#include "doctor/onnx_runtime.h"
#include "doctor/saturation.h"
#include "graph/graph_impl.h"
#include "onnx/reader.h"
#include "vitrail/doctor.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

constexpr size_t kPhotos = 4;  ///< that activations are looked at on

std::string describe(const ValueInfo& value) {
  return "'" + value.name + "' " + value.type + " " + to_string(value.shape);
}

class Examination {
 public:
  Examination(const std::filesystem::path& path, const std::vector<Image>& photos, const DiagnosisOptions& options)
      : path_(path), photos_(photos), options_(options) {
    result_.path = path.string();
  }

  Diagnosis run() {
    at::NoGradGuard no_grad;
    OnnxModel file = read_onnx(path_);
    result_.unsupported = unsupported_operators(file);
    if (!result_.unsupported.empty()) {
      result_.obstacle =
          std::to_string(result_.unsupported.size()) + " node(s) with operators that vitrail does not have";
      return std::move(result_);
    }
    begin("load");
    load();
    if (!graph_) return std::move(result_);
    result_.batch = graph_->batch();
    if (graph_->inputs().size() == 1) result_.input = describe(graph_->inputs()[0]);
    part("photos", [&] { examine_photos(); });
    if (graph_->inputs().size() != 1) return std::move(result_);
    part("activations", [&] { result_.saturation = find_saturation(*graph_, input(), samples()); });
    part("speed", [&] { measure_speed(); });
    part("onnxruntime", [&] { compare(); });
    if (options_.listener) options_.listener->on_end();
    return std::move(result_);
  }

 private:
  void begin(const std::string& what) {
    constexpr int64_t kParts = 5;
    if (!options_.listener) return;
    if (done_ == 0) options_.listener->on_begin("doctor", kParts);
    options_.listener->on_progress(done_++, kParts);
  }

  void part(const std::string& what, const std::function<void()>& examine) {
    begin(what);
    try {
      examine();
    } catch (const InternalError&) {
      throw;
    } catch (const Error& error) {
      result_.warnings.push_back(what + ": " + error.what());
    }
  }

  /// As a model of photos, else as a graph at least.
  void load() {
    try {
      model_ = Model::load(path_, options_.model);
      graph_ = model_->graph();
      result_.preprocess = model_->preprocess().to_json();
      result_.preprocess_source = model_->preprocess_source();
      for (const std::string& warning : model_->warnings()) result_.warnings.push_back(warning);
      if (is_row(model_->output_kind())) model_->classes();
      result_.non_differentiable = model_->non_differentiable(model_->input_value());
    } catch (const InternalError&) {
      throw;
    } catch (const Error& error) {
      result_.obstacle = error.what();
    }
    if (graph_) return;
    try {
      graph_ = Graph::load(path_, options_.model.graph);
    } catch (const InternalError&) {
      throw;
    } catch (const Error& error) {
      result_.obstacle = error.what();
    }
  }

  std::string input() const { return graph_->inputs()[0].name; }

  /// Prepared photos in the model's own layout, else noise.
  Tensor samples() {
    if (samples_.defined()) return samples_;
    const Shape& shape = graph_->inputs()[0].shape;
    std::vector<int64_t> sizes;
    const int64_t count = graph_->batch().generalises ? static_cast<int64_t>(kPhotos) : 1;
    for (const Dim& dim : shape) sizes.push_back(dim.at(count));
    samples_ = at::rand(sizes, at::detail::createCPUGenerator(1));
    if (result_.input.find("float") == std::string::npos) samples_ = (samples_ * 255).to(at::kByte);
    return samples_;
  }

  void examine_photos() {
    if (!model_ || !result_.obstacle.empty()) return;
    Tensors inputs;
    std::set<int64_t> answers;
    double confidence = 0;
    for (const Image& photo : photos_) {
      const PreparedImage prepared = model_->prepare(photo);
      if (inputs.size() < kPhotos) inputs.push_back(prepared.input);
      const std::vector<Prediction> found = model_->predict(prepared, 1);
      if (found.empty()) {
        result_.warnings.push_back("the model finds nothing in " + photo.path + ".");
        continue;
      }
      const Prediction& top = found[0];
      answers.insert(top.index);
      confidence += top.probability / static_cast<double>(photos_.size());
      result_.photos.push_back({photo.path, top});
    }
    if (inputs.empty()) return;
    if (graph_->batch().generalises) samples_ = model_->to_layout(at::cat(inputs));
    if (model_->output_kind() != OutputKind::logits) return;
    // A network that is fed the wrong numbers either knows nothing or says the same of everything.
    const auto classes = static_cast<double>(model_->classes());
    const std::string advice =
        " Is the preprocessing (" + result_.preprocess_source + ") the one that the network was trained with?";
    if (classes > 1 && confidence < 2 / classes)
      result_.warnings.push_back("the mean confidence of the best class on these photos is " + show_share(confidence) +
                                 ", chance is " + show_share(1 / classes) + "." + advice);
    if (photos_.size() >= 3 && answers.size() == 1 && classes > 2)
      result_.warnings.push_back("all " + std::to_string(photos_.size()) + " photos get the same answer." + advice);
  }

  /// A device works on when a run has returned.
  static void wait_for(const Tensors& values) {
    for (const Tensor& value : values) value.cpu();
  }

  /// Seconds of a run: the median of a few, after one that warms up.
  static double time(const std::function<void()>& run) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> seconds;
    run();
    for (int i = 0; i < 5; ++i) {
      const auto begin = Clock::now();
      run();
      seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    }
    std::nth_element(seconds.begin(), seconds.begin() + 2, seconds.end());
    return seconds[2];
  }

  void add_speed(const std::string& engine, int64_t batch, int64_t chunk, double seconds) {
    result_.speed.push_back({engine, batch, chunk, at::get_num_threads(), static_cast<double>(batch) / seconds});
  }

  void measure_speed() {
    const std::vector<std::string> outputs =
        model_ ? model_->output_values() : std::vector<std::string>{graph_->outputs()[0].name};
    for (const int64_t batch : batches()) {
      const Tensor x = repeated(batch);
      add_speed("plain", batch, batch, time([&] { wait_for(graph_->run({{input(), x}}, outputs)); }));
      PlanOptions options;
      options.batch = batch;
      options.samples = samples();
      const Plan::Attempt attempt = Plan::make(*graph_, input(), outputs, options);
      if (attempt.plan)
        add_speed("plan", batch, attempt.plan->chunk(), time([&] { wait_for(attempt.plan->run_all(x)); }));
      else if (batch == 1)
        result_.warnings.push_back("there is no plan for this model: " + attempt.refusal + ".");
    }
  }

  std::vector<int64_t> batches() const {
    if (!graph_->batch().generalises || options_.batch == 1) return {1};
    return {1, options_.batch};
  }

  Tensor repeated(int64_t batch) {
    Tensors parts;
    for (int64_t left = batch; left > 0; left -= samples().size(0))
      parts.push_back(samples().narrow(0, 0, std::min(left, samples().size(0))));
    return at::cat(parts);
  }

  void compare() {
    LoadOptions as_in_file = options_.model.graph;
    as_in_file.canonical = false;
    if (as_in_file.default_input_size.empty() && model_)
      as_in_file.default_input_size = {model_->preprocess().height, model_->preprocess().width};
    const Graph graph = Graph::load(path_, as_in_file);
    OnnxRuntimeRequest request;
    const char* chosen = std::getenv("VITRAIL_PYTHON");
    request.python = !options_.python.empty() ? options_.python : chosen ? chosen : "python3";
    request.model = path_;
    request.input = graph.inputs()[0].name;
    request.sample = samples().narrow(0, 0, graph.batch().generalises ? 1 : samples().size(0));
    request.batches = batches();
    request.threads = at::get_num_threads();
    for (const NodeInfo& node : graph.nodes())
      request.values.insert(request.values.end(), node.outputs.begin(), node.outputs.end());
    std::string why;
    const auto answer = ask_onnx_runtime(request, why);
    if (!answer) {
      result_.warnings.push_back("no comparison with ONNX Runtime through " + request.python + ": " + why +
                                 ". VITRAIL_PYTHON names a Python that has it.");
      return;
    }
    result_.agreement = judge(graph, request.input, request.sample, *answer);
    for (const auto& [batch, seconds] : answer->seconds) add_speed("onnxruntime", batch, batch, seconds);
  }

  const std::filesystem::path& path_;
  const std::vector<Image>& photos_;
  const DiagnosisOptions& options_;
  Diagnosis result_;
  std::optional<Model> model_;
  std::optional<Graph> graph_;
  Tensor samples_;
  int64_t done_ = 0;
};

}  // namespace

Diagnosis diagnose(const std::filesystem::path& model, const std::vector<Image>& photos,
                   const DiagnosisOptions& options) {
  return Examination(model, photos, options).run();
}

}  // namespace vitrail
