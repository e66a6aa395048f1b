#pragma once

// How a detector's file lays out its boxes: the `output.boxes` object of a record (docs/targets.md), or what the shapes
// of its outputs leave no doubt about.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "vitrail/graph.h"
#include "vitrail/output.h"

namespace vitrail {

enum class BoxLayout {
  yolov5,        ///< [N,B,5+K]: box, objectness, classes; decoded in the graph
  yolov8,        ///< [N,4+K,B]: box, classes; decoded in the graph
  yolox,         ///< [N,B,5+K] with offsets to the cells of the strides
  yolov3_heads,  ///< an output a stride, [N,A*(5+K),h,w] or [N,A,h,w,5+K], before any decoding
  yolov5_heads,  ///< the same with the formulas of YOLOv5 to v7
  ssd,           ///< boxes [N,B,4], scores [N,B,K]; decoded, or offsets to priors
  blazeface,     ///< boxes [N,B,16], scores [N,B,1], offsets to two and six centres a cell
  distances,     ///< scores [N,B,K], distances of the four sides from cell centres [N,B,4] or as R bins [N,B,4R]
};
enum class BoxFormat { cxcywh, xyxy, xywh, yxyx };
enum class Activation { none, sigmoid, softmax };

struct BoxRecord {
  BoxLayout layout = BoxLayout::yolov8;
  std::vector<std::string> boxes;   ///< outputs, in the order of the strides; of YOLO layouts all there is
  std::vector<std::string> scores;  ///< outputs with scores, where they are separate
  BoxFormat format = BoxFormat::cxcywh;
  bool unit = false;                           ///< coordinates run from 0 to 1 over the input, instead of its pixels
  Activation activation = Activation::none;    ///< that the graph leaves to be applied to scores
  std::vector<double> strides = {8, 16, 32};   ///< pixels of a cell
  std::vector<double> anchors = {};            ///< of heads: width, height in pixels, the same number a stride
  std::vector<double> priors = {};             ///< of ssd: centre x, y, width, height of each box, in its unit
  std::vector<double> variances = {0.1, 0.2};  ///< by which offsets to priors were scaled: of the centre, of the size
  int64_t background = -1;                     ///< a class that means nothing; -1: none
  int64_t classes = 0;                         ///< the first so many scores are classes; 0: all
  SuppressionOptions suppression = {};
};

/// The layout as the record spells it.
std::string to_string(BoxLayout layout);

/// Reads `output.boxes`; outputs that it does not name are found by their shapes. Throws UsageError.
BoxRecord read_box_record(const nlohmann::json& json, const std::string& where, const std::vector<ValueInfo>& outputs,
                          int64_t height, int64_t width);

/// A detector whose outputs can be nothing else: YOLOv5, YOLOv8, BlazeFace and PicoDet's distances at the input's
/// size.
std::optional<BoxRecord> recognise_boxes(const std::vector<ValueInfo>& outputs, int64_t height, int64_t width);

}  // namespace vitrail
