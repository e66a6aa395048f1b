#include "model/output_reader.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "model/detection/decode.h"
#include "model/json_text.h"
#include "model/record_object.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// Probabilities below the smallest normal float carry no information that a logit could.
constexpr double kLeastProbability = 1e-38;
const std::vector<std::string> kKinds = {"logits", "probabilities", "boxes", "embedding", "segmentation", "regression"};

std::string shape_of(const ValueInfo& value) {
  return "'" + value.name + "' " + value.type + " " + to_string(value.shape);
}

/// The value before a trailing node of one of the operators, or the output itself.
std::string before(const Graph& graph, const std::string& output, const std::vector<std::string>& operators) {
  for (const NodeInfo& node : graph.nodes())
    if (std::find(node.outputs.begin(), node.outputs.end(), output) != node.outputs.end() &&
        std::find(operators.begin(), operators.end(), node.op) != operators.end())
      return node.inputs[0];
  return output;
}

class RowReader : public OutputReader {
 public:
  RowReader(const Graph& graph, const std::string& output, OutputKind kind, bool probabilities)
      : kind_(kind), value_(graph.value(kind == OutputKind::logits ? before(graph, output, {"Softmax"}) : output)) {
    // Where the file gives probabilities and holds no logits, their logarithm stands in.
    log_ = probabilities && value_.name == output;
  }
  OutputKind kind() const override { return kind_; }
  std::vector<std::string> values() const override { return {value_.name}; }
  ModelOutput read(const Tensors& values, int64_t samples) const override {
    const Tensor row = values[0].reshape({samples, row_size(value_)}).cpu();
    return {kind_, log_ ? at::log(row.clamp_min(kLeastProbability)) : row, {}, {}};
  }
  std::string description() const override { return to_string(kind_) + " " + to_string(value_.shape); }
  std::vector<std::string> warnings() const override {
    if (!log_) return {};
    return {"the model gives probabilities and holds no logits: their logarithm stands in for the logits."};
  }

 private:
  OutputKind kind_;
  ValueInfo value_;
  bool log_ = false;
};

/// Class scores on a grid, [N,K,h,w] or [N,h,w,K].
class GridReader : public OutputReader {
 public:
  GridReader(const Graph& graph, const std::string& output, bool channels_last, bool probabilities, bool guessed)
      : value_(graph.value(before(graph, output, {"Softmax", "Sigmoid"}))),
        channels_last_(channels_last),
        guessed_(guessed) {
    log_ = probabilities && value_.name == output;
  }
  OutputKind kind() const override { return OutputKind::segmentation; }
  std::vector<std::string> values() const override { return {value_.name}; }
  ModelOutput read(const Tensors& values, int64_t) const override {
    Tensor grid = (channels_last_ ? values[0].permute({0, 3, 1, 2}) : values[0]).cpu();
    if (log_) {
      const Tensor p = grid.clamp(kLeastProbability, 1);
      grid = grid.size(1) == 1 ? at::log(p) - at::log((1 - p).clamp_min(kLeastProbability)) : at::log(p);
    }
    return {kind(), grid, {}, {}};
  }
  std::string description() const override {
    return "segmentation " + to_string(value_.shape) + (channels_last_ ? ", classes last" : ", classes first");
  }
  std::vector<std::string> warnings() const override {
    if (!guessed_) return {};
    return {"the output " + shape_of(value_) +
            " was taken for a segmentation by its shape. Where it is none, say output.kind in the record "
            "(docs/targets.md)."};
  }

 private:
  ValueInfo value_;
  bool channels_last_, guessed_, log_ = false;
};

class BoxReader : public OutputReader {
 public:
  BoxReader(BoxRecord record, std::string source, int64_t height, int64_t width)
      : decoder_(std::move(record), height, width), source_(std::move(source)) {}
  OutputKind kind() const override { return OutputKind::boxes; }
  std::vector<std::string> values() const override { return decoder_.values(); }
  ModelOutput read(const Tensors& values, int64_t) const override {
    Tensors here;
    for (const Tensor& value : values) here.push_back(value.cpu());
    return decoder_.decode(here);
  }
  std::string description() const override { return to_string(decoder_.record().layout) + " boxes, " + source_; }
  SuppressionOptions suppression() const override { return decoder_.record().suppression; }

 private:
  BoxDecoder decoder_;
  std::string source_;
};

/// Are these rows and columns of a grid over the input, one a stride?
bool covers(int64_t rows, int64_t columns, const OutputRequest& request) {
  if (rows < 2 || columns < 2) return false;
  if (rows * request.width == columns * request.height) return rows <= request.height;
  for (int64_t stride = 1; stride < request.height; ++stride)
    if ((request.height + stride - 1) / stride == rows && (request.width + stride - 1) / stride == columns) return true;
  return false;
}

/// Classes last? Nothing where the output is no grid over the input.
std::optional<bool> find_channels(const ValueInfo& value, const OutputRequest& request) {
  if (value.shape.size() != 4) return std::nullopt;
  const auto size = [&](size_t i) { return value.shape[i].fixed; };
  if (covers(size(2), size(3), request)) return false;
  if (covers(size(1), size(2), request)) return true;
  return std::nullopt;
}

std::string names_of(const std::vector<ValueInfo>& values) {
  std::string list;
  for (const ValueInfo& value : values) list += "\n  " + shape_of(value);
  return list;
}

std::unique_ptr<OutputReader> make_box_reader(const Graph& graph, const nlohmann::json& output,
                                              const OutputRequest& request) {
  std::vector<ValueInfo> outputs = graph.outputs();
  if (!request.name.empty()) std::erase_if(outputs, [&](const ValueInfo& value) { return value.name != request.name; });
  if (output.contains("boxes"))
    return std::make_unique<BoxReader>(
        read_box_record(output["boxes"], request.where, outputs, request.height, request.width), request.where,
        request.height, request.width);
  if (auto found = recognise_boxes(outputs, request.height, request.width))
    return std::make_unique<BoxReader>(*found, "recognised by their shapes", request.height, request.width);
  if (request.kind != "boxes") return nullptr;
  throw UsageError(
      "the record says that the outputs are boxes, but not how they are laid out, and their shapes leave it open:" +
      names_of(outputs) +
      "\nSay it in the record, e.g. \"output\": {\"kind\": \"boxes\", \"boxes\": {\"layout\": \"ssd\", \"format\": "
      "\"xyxy\", \"unit\": \"input\"}} (docs/targets.md).");
}

std::unique_ptr<OutputReader> make_grid_reader(const Graph& graph, const std::string& output,
                                               const nlohmann::json& record, const OutputRequest& request) {
  const ValueInfo value = graph.value(output);
  std::optional<bool> last = find_channels(value, request);
  if (record.contains("layout"))
    last = RecordObject(record, request.where, "output")
               .word("layout", Words<bool>{{"NCHW", false}, {"NHWC", true}}, last.value_or(false));
  const bool wanted =
      request.kind == "segmentation" || (last && (request.kind.empty() || request.kind == "probabilities"));
  if (!wanted) return nullptr;
  if (!last || value.shape.size() != 4)
    throw UsageError("the record says segmentation, but the output " + shape_of(value) +
                     " is no grid over the input of " + std::to_string(request.height) + "x" +
                     std::to_string(request.width) +
                     "; expected [N,K,h,w] or [N,h,w,K]. Choose another with --output NAME, or say \"layout\": "
                     "\"NCHW\" or \"NHWC\" in the record's output.");
  return std::make_unique<GridReader>(graph, output, *last, request.kind == "probabilities", request.kind.empty());
}

}  // namespace

int64_t row_size(const ValueInfo& value) {
  int64_t classes = 1, larger = 0;
  for (size_t i = 1; i < value.shape.size(); ++i) {
    classes *= value.shape[i].fixed;
    larger += value.shape[i].fixed > 1;
  }
  if (value.shape.size() < 2 || larger > 1)
    throw ModelError("the output " + shape_of(value) +
                     " is not a row of class scores [N,K]; choose another with --output NAME, or say in the record "
                     "what it is (output.kind: boxes, segmentation; docs/targets.md).");
  return classes;
}

std::unique_ptr<OutputReader> make_output_reader(const Graph& graph, const OutputRequest& request) {
  if (!request.kind.empty() && std::find(kKinds.begin(), kKinds.end(), request.kind) == kKinds.end())
    throw UsageError(request.where + ": output.kind is \"" + request.kind + "\"; expected one of " + join(kKinds) +
                     ".");
  const nlohmann::json record =
      request.record.empty() ? nlohmann::json::object() : parse_json(request.record, request.where);
  std::vector<std::string> names;
  for (const ValueInfo& value : graph.outputs()) names.push_back(value.name);
  const bool known = std::find(names.begin(), names.end(), request.name) != names.end();
  if (request.kind == "boxes" || (request.kind.empty() && request.name.empty()))
    if (request.name.empty() || known)
      if (auto boxes = make_box_reader(graph, record, request)) return boxes;
  const std::string output = request.name.empty() && names.size() == 1 ? names[0] : request.name;
  if (output.empty() || std::find(names.begin(), names.end(), output) == names.end())
    throw UsageError(
        (output.empty() ? graph.path() + " has several outputs" : "the model has no output '" + output + "'") +
        "; choose one with --output NAME:" + names_of(graph.outputs()));
  if (auto grid = make_grid_reader(graph, output, record, request)) return grid;
  const OutputKind kind = request.kind == "embedding"    ? OutputKind::embedding
                          : request.kind == "regression" ? OutputKind::regression
                                                         : OutputKind::logits;
  return std::make_unique<RowReader>(graph, output, kind, request.kind == "probabilities");
}

}  // namespace vitrail
