#include "model/detection/box_record.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "base/text.h"
#include "model/record_object.h"

namespace vitrail {
namespace {

const Words<BoxLayout> kLayouts = {{"yolov5", BoxLayout::yolov5},
                                   {"yolov8", BoxLayout::yolov8},
                                   {"yolox", BoxLayout::yolox},
                                   {"yolov3_heads", BoxLayout::yolov3_heads},
                                   {"yolov5_heads", BoxLayout::yolov5_heads},
                                   {"ssd", BoxLayout::ssd},
                                   {"blazeface", BoxLayout::blazeface},
                                   {"distances", BoxLayout::distances}};
const Words<BoxFormat> kFormats = {
    {"cxcywh", BoxFormat::cxcywh}, {"xyxy", BoxFormat::xyxy}, {"xywh", BoxFormat::xywh}, {"yxyx", BoxFormat::yxyx}};
const Words<Activation> kActivations = {
    {"none", Activation::none}, {"sigmoid", Activation::sigmoid}, {"softmax", Activation::softmax}};
const Words<bool> kUnits = {{"input", true}, {"pixels", false}};

constexpr size_t kMostStrides = 16, kMostAnchors = 64;  ///< anchors of a stride
constexpr int64_t kMostClasses = 1'000'000;
constexpr int64_t kFaceValues = 16;  ///< of BlazeFace: a box and six points

bool is_head(BoxLayout layout) { return layout == BoxLayout::yolov3_heads || layout == BoxLayout::yolov5_heads; }

bool has_separate_scores(BoxLayout layout) {
  return layout == BoxLayout::ssd || layout == BoxLayout::blazeface || layout == BoxLayout::distances;
}

/// Sizes behind the batch; empty where one of them grows with it.
std::vector<int64_t> sizes_of(const ValueInfo& value) {
  std::vector<int64_t> sizes;
  for (size_t i = 1; i < value.shape.size(); ++i) {
    if (value.shape[i].per_batch != 0) return {};
    sizes.push_back(value.shape[i].fixed);
  }
  return sizes;
}

std::vector<int64_t> cells_of(const std::vector<double>& strides, int64_t height, int64_t width) {
  std::vector<int64_t> cells;
  for (const double stride : strides)
    cells.push_back(static_cast<int64_t>(std::ceil(static_cast<double>(height) / stride) *
                                         std::ceil(static_cast<double>(width) / stride)));
  return cells;
}

int64_t sum(const std::vector<int64_t>& values) {
  int64_t total = 0;
  for (const int64_t value : values) total += value;
  return total;
}

std::optional<BoxRecord> recognise_yolo(const std::vector<ValueInfo>& outputs, int64_t height, int64_t width) {
  // YOLOv5 may give its heads beside the boxes; other further outputs (masks, key points) make the scores ambiguous.
  for (size_t i = 1; i < outputs.size(); ++i)
    if (sizes_of(outputs[i]).size() != 4) return std::nullopt;
  const std::vector<int64_t> sizes = sizes_of(outputs[0]);
  if (sizes.size() != 2) return std::nullopt;
  for (const std::vector<double>& strides : {std::vector<double>{8, 16, 32}, std::vector<double>{8, 16, 32, 64}}) {
    const int64_t cells = sum(cells_of(strides, height, width));
    BoxRecord record;
    record.boxes = {outputs[0].name};
    record.strides = strides;
    if (sizes[0] == 3 * cells && sizes[1] >= 6) {
      record.layout = BoxLayout::yolov5;
      return record;
    }
    if (outputs.size() == 1 && sizes[1] == cells && sizes[0] >= 5 && sizes[0] < sizes[1]) {
      record.layout = BoxLayout::yolov8;
      return record;
    }
  }
  return std::nullopt;
}

/// Outputs of two values a box that belong together, by the number of boxes.
struct Pairs {
  std::vector<std::string> scores, boxes;
};

std::optional<Pairs> pair_up(const std::vector<ValueInfo>& outputs, const std::vector<int64_t>& cells,
                             const std::function<bool(int64_t)>& is_boxes) {
  if (outputs.size() != 2 * cells.size() || std::set<int64_t>(cells.begin(), cells.end()).size() != cells.size())
    return std::nullopt;  // of strides that leave as many cells, which is which?
  Pairs pairs;
  for (const int64_t count : cells) {
    std::string scores, boxes;
    for (const ValueInfo& output : outputs) {
      const std::vector<int64_t> sizes = sizes_of(output);
      if (sizes.size() != 2 || sizes[0] != count) continue;
      // The first of two alike has the scores.
      const bool second = !scores.empty() && is_boxes(sizes[1]);
      (second || (is_boxes(sizes[1]) && sizes[1] == kFaceValues) ? boxes : scores) = output.name;
    }
    if (scores.empty() || boxes.empty()) return std::nullopt;
    pairs.scores.push_back(scores);
    pairs.boxes.push_back(boxes);
  }
  return pairs;
}

std::optional<BoxRecord> recognise_blazeface(const std::vector<ValueInfo>& outputs, int64_t height, int64_t width) {
  if (height != width || height % 16 != 0) return std::nullopt;
  BoxRecord record;
  record.layout = BoxLayout::blazeface;
  record.activation = Activation::sigmoid;
  record.strides = {static_cast<double>(height) / 16, static_cast<double>(height) / 8};
  for (const std::vector<int64_t>& counts : {std::vector<int64_t>{512, 384}, std::vector<int64_t>{896}}) {
    const auto pairs = pair_up(outputs, counts, [](int64_t values) { return values == kFaceValues; });
    if (!pairs) continue;
    for (const ValueInfo& output : outputs)
      if (const int64_t values = sizes_of(output)[1]; values != 1 && values != kFaceValues) return std::nullopt;
    record.scores = pairs->scores;
    record.boxes = pairs->boxes;
    return record;
  }
  return std::nullopt;
}

std::optional<BoxRecord> recognise_distances(const std::vector<ValueInfo>& outputs, int64_t height, int64_t width) {
  for (const std::vector<double>& strides : {std::vector<double>{8, 16, 32}, std::vector<double>{8, 16, 32, 64}}) {
    const auto pairs =
        pair_up(outputs, cells_of(strides, height, width), [](int64_t values) { return values % 4 == 0; });
    if (!pairs) continue;
    BoxRecord record;
    record.layout = BoxLayout::distances;
    record.strides = strides;
    record.scores = pairs->scores;
    record.boxes = pairs->boxes;
    return record;
  }
  return std::nullopt;
}

/// Names of the outputs, where the record has none.
void find_outputs(BoxRecord& record, const RecordObject& object, const std::vector<ValueInfo>& outputs, int64_t height,
                  int64_t width) {
  if (!record.boxes.empty() && (!record.scores.empty() || !has_separate_scores(record.layout))) return;
  if (record.layout == BoxLayout::ssd && outputs.size() == 2) {
    const bool first = sizes_of(outputs[0]).size() == 2 && sizes_of(outputs[0])[1] == 4;
    record.boxes = {outputs[first ? 0 : 1].name};
    record.scores = {outputs[first ? 1 : 0].name};
    return;
  }
  if (is_head(record.layout) || !has_separate_scores(record.layout)) {
    const size_t wanted = is_head(record.layout) ? record.strides.size() : 1;
    if (outputs.size() >= wanted && (is_head(record.layout) ? outputs.size() == wanted : true)) {
      for (size_t i = 0; i < wanted; ++i) record.boxes.push_back(outputs[i].name);
      return;
    }
  }
  const auto found = record.layout == BoxLayout::blazeface   ? recognise_blazeface(outputs, height, width)
                     : record.layout == BoxLayout::distances ? recognise_distances(outputs, height, width)
                                                             : std::nullopt;
  if (!found)
    throw object.refusal(record.boxes.empty() ? "boxes" : "scores", "the names of the outputs that hold them");
  record.boxes = found->boxes;
  record.scores = found->scores;
}

void check(const BoxRecord& record, const RecordObject& object, const std::vector<ValueInfo>& outputs) {
  std::vector<std::string> names;
  for (const ValueInfo& output : outputs) names.push_back(output.name);
  for (const auto* list : {&record.boxes, &record.scores})
    for (const std::string& name : *list)
      if (std::find(names.begin(), names.end(), name) == names.end())
        throw object.refusal(list == &record.boxes ? "boxes" : "scores",
                             "outputs of the model. " + did_you_mean(name, names));
  if (has_separate_scores(record.layout) && record.scores.size() != record.boxes.size())
    throw object.refusal("scores", "as many outputs as for boxes, " + std::to_string(record.boxes.size()));
  if (is_head(record.layout)) {
    if (record.boxes.size() != record.strides.size() || record.strides.empty())
      throw object.refusal("strides", "one for each head, " + std::to_string(record.boxes.size()));
    if (record.anchors.empty() || record.anchors.size() % (2 * record.strides.size()) != 0)
      throw object.refusal("anchors", "pairs of width and height in pixels, the same number for each stride");
  }
  if (record.priors.size() % 4 != 0) throw object.refusal("priors", "four numbers a box: centre x, y, width, height");
  if (record.variances.size() != 2) throw object.refusal("variances", "two numbers, of the centre and of the size");
  if (record.strides.empty() || record.strides.size() > kMostStrides)
    throw object.refusal("strides", "from 1 to " + std::to_string(kMostStrides) + " numbers");
  if (record.anchors.size() > 2 * kMostAnchors * record.strides.size())
    throw object.refusal("anchors", "at most " + std::to_string(kMostAnchors) + " for each stride");
  for (const double stride : record.strides)
    if (!(stride >= 1) || stride > kMostSide) throw object.refusal("strides", "pixels of a cell, from 1");
}

}  // namespace

std::string to_string(BoxLayout layout) {
  for (const auto& [word, meaning] : kLayouts)
    if (meaning == layout) return word;
  return {};
}

BoxRecord read_box_record(const nlohmann::json& json, const std::string& where, const std::vector<ValueInfo>& outputs,
                          int64_t height, int64_t width) {
  const RecordObject object(json, where, "output.boxes");
  if (!object.has("layout")) throw object.refusal("layout", "a layout of docs/targets.md, e.g. \"yolov8\" or \"ssd\"");
  BoxRecord record;
  record.layout = object.word("layout", kLayouts, record.layout);
  const bool raw = is_head(record.layout) || record.layout == BoxLayout::blazeface;
  record.activation = object.word("activation", kActivations, raw ? Activation::sigmoid : Activation::none);
  record.format = object.word("format", kFormats, record.format);
  record.unit = object.word("unit", kUnits, record.unit);
  if (object.has("strides")) record.strides = object.numbers("strides");
  if (record.layout == BoxLayout::blazeface && !object.has("strides"))
    record.strides = {static_cast<double>(height) / 16, static_cast<double>(height) / 8};
  record.anchors = object.numbers("anchors");
  record.priors = object.numbers("priors");
  if (object.has("variances")) record.variances = object.numbers("variances");
  record.background = object.whole("background", -1, kMostClasses);
  record.classes = object.whole("classes", 0, kMostClasses);
  record.suppression.score_threshold = object.share("score_threshold", record.suppression.score_threshold);
  record.suppression.overlap_threshold = object.share("overlap_threshold", record.suppression.overlap_threshold);
  record.boxes = object.texts("boxes");
  record.scores = object.texts("scores");
  find_outputs(record, object, outputs, height, width);
  check(record, object, outputs);
  return record;
}

std::optional<BoxRecord> recognise_boxes(const std::vector<ValueInfo>& outputs, int64_t height, int64_t width) {
  if (auto record = recognise_yolo(outputs, height, width)) return record;
  if (auto record = recognise_blazeface(outputs, height, width)) return record;
  return recognise_distances(outputs, height, width);
}

}  // namespace vitrail
