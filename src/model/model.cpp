#include "vitrail/model.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>

#include "base/text.h"
#include "model/layout.h"
#include "model/output_reader.h"
#include "model/probe.h"
#include "model/record.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

constexpr std::array<const char*, 4> kPresets = {"imagenet", "half", "unit", "raw"};

bool is_preset(const std::string& name) { return std::find(kPresets.begin(), kPresets.end(), name) != kPresets.end(); }

std::string shape_of(const ValueInfo& value) {
  return "'" + value.name + "' " + value.type + " " + to_string(value.shape);
}

/// What the input's own shape says about layout and size.
struct InputGuess {
  Layout layout;
  int64_t height, width, channels;
};

InputGuess guess_input(const ValueInfo& input) {
  const Shape& shape = input.shape;
  auto size = [&](size_t i) { return shape[i].fixed; };
  auto is_channels = [](int64_t n) { return n == 1 || n == 3; };
  if (shape.size() == 4 && is_channels(size(1))) return {Layout::nchw, size(2), size(3), size(1)};
  if (shape.size() == 4 && is_channels(size(3))) return {Layout::nhwc, size(1), size(2), size(3)};
  if (shape.size() == 2 || shape.size() == 3) {
    int64_t values = 1;
    for (size_t i = 1; i < shape.size(); ++i) values *= size(i);
    for (int64_t channels : {1, 3}) {
      const int64_t side = std::llround(std::sqrt(static_cast<double>(values) / channels));
      if (side > 1 && side * side * channels == values) return {Layout::flat, side, side, channels};
    }
  }
  throw ModelError("the input " + shape_of(input) +
                   " is not an image that vitrail knows; expected [N,C,H,W], [N,H,W,C] or a flat "
                   "row of a square image, with 1 or 3 channels.");
}

/// The record's shape must be the input's.
void check_fits(const Preprocess& preprocess, const ValueInfo& input, const std::string& source) {
  const Shape& shape = input.shape;
  auto fixed = [&](size_t i) { return shape[i].fixed; };
  bool fits = false;
  const int64_t c = preprocess.channels(), h = preprocess.height, w = preprocess.width;
  switch (preprocess.layout) {
    case Layout::nchw:
      fits = shape.size() == 4 && fixed(1) == c && fixed(2) == h && fixed(3) == w;
      break;
    case Layout::nhwc:
      fits = shape.size() == 4 && fixed(1) == h && fixed(2) == w && fixed(3) == c;
      break;
    case Layout::flat: {
      int64_t values = 1;
      for (size_t i = 1; i < shape.size(); ++i) values *= fixed(i);
      fits = shape.size() >= 2 && values == c * h * w;
      break;
    }
  }
  if (fits) return;
  const std::array<const char*, 3> names = {"NCHW", "NHWC", "flat"};
  throw ModelError("the preprocessing (" + source + ") makes " + names[static_cast<int>(preprocess.layout)] +
                   " inputs of " + std::to_string(c) + " channels, " + std::to_string(h) + "x" + std::to_string(w) +
                   ", but the model's input is " + shape_of(input) +
                   ". Correct the record, or choose another with --preprocess.");
}

ModelRecord record_from_metadata(const std::map<std::string, std::string>& metadata) {
  ModelRecord record;
  if (auto it = metadata.find("vitrail.preprocess"); it != metadata.end()) {
    record.preprocess = Preprocess::from_json(it->second, "ONNX metadata vitrail.preprocess");
    record.source = "ONNX metadata";
  }
  if (auto it = metadata.find("vitrail.labels"); it != metadata.end()) record.labels = split_labels(it->second);
  return record;
}

}  // namespace

struct Model::LazyLayouts {
  std::once_flag found;
  std::optional<SpatialLayouts> layouts;
};

Model Model::load(const std::filesystem::path& path, const ModelOptions& options) {
  Model model;
  model.layouts_ = std::make_shared<LazyLayouts>();
  std::optional<ModelRecord> given, sidecar = read_sidecar(path);
  if (options.preprocess.starts_with('{')) {
    given.emplace();
    given->preprocess = Preprocess::from_json(options.preprocess, "the record given");
    given->source = "record";
  } else if (!options.preprocess.empty() && !is_preset(options.preprocess)) {
    if (!std::filesystem::exists(options.preprocess))
      throw UsageError("'" + options.preprocess + "' is neither a preset nor a file. " +
                       did_you_mean(options.preprocess, {kPresets.begin(), kPresets.end()}));
    given = read_record(options.preprocess);
  }

  LoadOptions load = options.graph;
  for (const auto* record : {&given, &sidecar})
    if (*record && (*record)->preprocess && load.default_input_size.empty())
      load.default_input_size = {(*record)->preprocess->height, (*record)->preprocess->width};
  model.graph_ = std::make_shared<Graph>(Graph::load(path, load));
  const Graph& graph = *model.graph_;

  if (graph.inputs().size() != 1) {
    std::string list;
    for (const ValueInfo& input : graph.inputs()) list += "\n  " + shape_of(input);
    throw ModelError(path.string() + " has " + std::to_string(graph.inputs().size()) +
                     " inputs; vitrail explains models with one image input." + list);
  }
  const ValueInfo& input = graph.inputs()[0];
  if (!input.type.starts_with("float") && input.type != "uint8" && input.type != "int32" && input.type != "int64")
    throw ModelError("the input " + shape_of(input) +
                     " cannot take an image; expected floating-point or integer pixels.");
  model.input_value_ = input.name;

  // Preprocessing: the caller's word, the file's metadata, the sidecar, a guess.
  const ModelRecord embedded = record_from_metadata(graph.metadata());
  if (is_preset(options.preprocess)) {
    const InputGuess guess = guess_input(input);
    model.preprocess_ = Preprocess::preset(options.preprocess, guess.height, guess.width, guess.channels, guess.layout);
    model.preprocess_source_ = "preset " + options.preprocess;
  } else if (given && given->preprocess) {
    model.preprocess_ = *given->preprocess;
    model.preprocess_source_ = given->source;
  } else if (embedded.preprocess) {
    model.preprocess_ = *embedded.preprocess;
    model.preprocess_source_ = embedded.source;
  } else if (sidecar && sidecar->preprocess) {
    model.preprocess_ = *sidecar->preprocess;
    model.preprocess_source_ = sidecar->source;
  } else {
    const InputGuess guess = guess_input(input);
    const std::string preset = guess.channels == 3 && guess.height >= 64 ? "imagenet" : "unit";
    model.preprocess_ = Preprocess::preset(preset, guess.height, guess.width, guess.channels, guess.layout);
    model.preprocess_source_ = "guess: preset " + preset;
    model.warnings_.push_back("no preprocessing was given (no sidecar JSON, no ONNX metadata): guessed the preset '" +
                              preset + "'. A wrong guess gives wrong answers: check it with --preprocess.");
  }
  check_fits(model.preprocess_, input, model.preprocess_source_);

  OutputRequest request{options.output, "", "", "", model.preprocess_.height, model.preprocess_.width};
  for (const auto* record : {&given, &sidecar}) {
    if (!*record) continue;
    if (model.labels_.empty()) model.labels_ = (*record)->labels;
    if (request.record.empty() && !(*record)->output.empty()) {
      request.kind = (*record)->output_kind;
      request.record = (*record)->output;
      request.where = (*record)->source;
    }
  }
  if (model.labels_.empty()) model.labels_ = embedded.labels;
  model.reader_ = make_output_reader(graph, request);
  for (const std::string& warning : model.reader_->warnings()) model.warnings_.push_back(warning);
  const Shape logits = graph.value(model.logits_value()).shape;
  if (!model.labels_.empty() && is_row(model.output_kind()) && logits.size() == 2 &&
      model.classes() != static_cast<int64_t>(model.labels_.size())) {
    const bool background = model.classes() == static_cast<int64_t>(model.labels_.size()) + 1;
    model.warnings_.push_back(std::to_string(model.labels_.size()) + " labels for " + std::to_string(model.classes()) +
                              " classes" + (background ? " (a background class in front?)" : "") +
                              ": labels are not used.");
    model.labels_.clear();
  }
  return model;
}

int64_t Model::classes() const { return row_size(graph_->value(logits_value())); }

OutputKind Model::output_kind() const { return reader_->kind(); }
std::vector<std::string> Model::output_values() const { return reader_->values(); }
std::string Model::output_description() const { return reader_->description(); }

std::string Model::only_output_value(const std::string& method) const {
  const std::vector<std::string> values = output_values();
  if (values.size() > 1)
    throw ModelError(method + " follows one output, and this model's " + to_string(output_kind()) + " come from " +
                     std::to_string(values.size()) + ": " + join(values) +
                     ". Take saliency, gradcam or a black-box method such as rise.");
  return values.front();
}

std::vector<std::string> Model::non_differentiable(const std::string& from) const {
  std::vector<std::string> nodes;
  for (const std::string& output : output_values())
    for (const std::string& node : graph_->non_differentiable(from, output))
      if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
  return nodes;
}

PreparedImage Model::prepare(const Image& image) const { return vitrail::prepare(image, preprocess_); }

Tensor Model::to_layout(const Tensor& inputs) const {
  const Shape& shape = graph_->inputs()[0].shape;
  Tensor x = preprocess_.layout == Layout::nhwc ? inputs.permute({0, 2, 3, 1}) : inputs;
  if (preprocess_.layout == Layout::flat) {
    std::vector<int64_t> sizes = {inputs.size(0)};
    for (size_t i = 1; i < shape.size(); ++i) sizes.push_back(shape[i].fixed);
    x = inputs.reshape(sizes);
  }
  return x.contiguous();
}

ModelOutput Model::outputs(const Tensor& inputs, const RunOptions& options) const {
  return outputs_from(inputs, input_value_, to_layout(inputs), options);
}

ModelOutput Model::outputs_from(const Tensor& inputs, const std::string& layer, const Tensor& value,
                                const RunOptions& options) const {
  Feeds feeds = {{graph_->resolve(layer), value}};
  if (feeds[0].first != input_value_) feeds.emplace_back(input_value_, to_layout(inputs));
  return outputs_of(feeds, inputs.size(0), options);
}

ModelOutput Model::outputs_of(const Feeds& feeds, int64_t samples, const RunOptions& options) const {
  check_output();  // before anything is computed
  return read_outputs(graph_->run(feeds, reader_->values(), options), samples);
}

ModelOutput Model::read_outputs(const Tensors& values, int64_t samples) const { return reader_->read(values, samples); }

ModelOutput Model::plan_outputs(const Tensor& inputs) const {
  at::NoGradGuard no_grad;
  if (!plan_) return outputs(inputs);
  const Tensor x = inputs.to(graph_->device());
  // Activations inside of a library's kernels may swallow NaN, which would make a score of nothing look like one.
  if (!std::isfinite(x.sum(at::kDouble).item<double>())) return outputs(inputs);
  return read_outputs(plan_->run_all(to_layout(x)), inputs.size(0));
}

ModelOutput Model::recorded_outputs(const Tensor& inputs) const {
  const bool records = at::GradMode::is_enabled() && inputs.requires_grad();
  if (!records || !plan_ || !plan_->has_gradients() || !std::isfinite(inputs.sum(at::kDouble).item<double>()))
    return outputs(inputs);
  return read_outputs(plan_->run_recorded(to_layout(inputs)), inputs.size(0));
}

void Model::check_output() const {
  if (is_row(reader_->kind())) classes();
}

Tensor Model::logits(const Tensor& inputs, const RunOptions& options) const {
  classes();
  return outputs(inputs, options).scores;
}

Tensor Model::logits_from(const Tensor& inputs, const std::string& layer, const Tensor& value,
                          const RunOptions& options) const {
  classes();
  return outputs_from(inputs, layer, value, options).scores;
}

SpatialLayouts layouts_of(const Model& model, const std::vector<std::string>& outputs) {
  const Preprocess& preprocess = model.preprocess();
  const int64_t n = PositionTrace::batch(model.graph().impl()), h = preprocess.height, w = preprocess.width;
  const Tensor pixels = (at::arange(n * h * w, at::kLong) + 1).view({n, 1, h, w});
  const Tensor photo = model.to_layout(pixels.expand({n, preprocess.channels(), h, w}));
  return {model.graph(), model.input_value(), outputs, photo, h, w};
}

const SpatialLayouts& Model::layouts() const {
  std::call_once(layouts_->found, [&] { layouts_->layouts.emplace(layouts_of(*this, output_values())); });
  return *layouts_->layouts;
}

Tensor Model::plan_logits(const Tensor& inputs) const {
  classes();
  return plan_outputs(inputs).scores;
}

std::unique_ptr<Probe> Model::probe(std::vector<Target> targets, const RunOptions& options) const {
  return std::make_unique<ModelProbe>(*this, std::move(targets), options);
}

}  // namespace vitrail
