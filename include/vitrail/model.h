#pragma once

// A model = graph + preprocessing + labels.
//
// Preprocessing and labels come from what the caller gives, else the ONNX metadata
// (`vitrail.preprocess`, `vitrail.labels`), else the sidecar NAME.json beside NAME.onnx, else a guess
// from the input shape that is reported as such.
//
// Immutable after load; may be used from several threads at once.

#include <vitrail/graph.h>
#include <vitrail/image.h>
#include <vitrail/output.h>
#include <vitrail/plan.h>
#include <vitrail/preprocess.h>
#include <vitrail/scorer.h>
#include <vitrail/target.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vitrail {

class SpatialLayouts;

struct ModelOptions {
  LoadOptions graph = {};
  /// A preset (imagenet, half, unit, raw), the path of a JSON record, or what stands under "preprocess" in one, as text
  /// that begins with a brace; empty: found.
  std::string preprocess = {};
  std::string output = {};  ///< which output, where the model has several; empty: the only one
};

class OutputReader;

/// One line of what a model says of a photo. Of a class of a row: logit and softmax probability. Of a row of values:
/// the value as `logit`, no probability. Of a segmentation: their means over the class's cells. Of a detector: a box
/// and its score as `probability`, no logit. What does not exist is NaN.
struct Prediction {
  int64_t index = 0;
  std::string label;
  double logit = 0;
  double probability = 0;
  std::optional<double> area = {};    ///< of a segmentation: share of the cells
  std::optional<Rectangle> box = {};  ///< of a detector
};

class Model {
 public:
  static Model load(const std::filesystem::path& path, const ModelOptions& options = {});

  const Graph& graph() const { return *graph_; }
  const Preprocess& preprocess() const { return preprocess_; }
  const std::vector<std::string>& labels() const { return labels_; }
  const std::string& preprocess_source() const {
    return preprocess_source_;
  }  ///< "sidecar m.json", "preset imagenet", ...
  const std::vector<std::string>& warnings() const { return warnings_; }
  int64_t classes() const;

  PreparedImage prepare(const Image& image) const;

  /// What the outputs are, the graph values that hold them, and both in words.
  OutputKind output_kind() const;
  std::vector<std::string> output_values() const;
  std::string output_description() const;

  /// [N,C,H,W] -> what the model gives. Differentiable in `inputs`.
  ModelOutput outputs(const Tensor& inputs, const RunOptions& options = {}) const;

  /// The same with the value of an inner layer replaced: only what lies behind it is computed again.
  ModelOutput outputs_from(const Tensor& inputs, const std::string& layer, const Tensor& value,
                           const RunOptions& options = {}) const;

  /// As outputs(), by the plan where there is one; without gradients.
  ModelOutput plan_outputs(const Tensor& inputs) const;

  /// As outputs(), by the plan where it gives gradients; once differentiable in `inputs`.
  ModelOutput recorded_outputs(const Tensor& inputs) const;

  /// outputs().scores of a row [N,K] (the value before a trailing Softmax); ModelError for a detector or a grid.
  Tensor logits(const Tensor& inputs, const RunOptions& options = {}) const;

  /// The same from outputs_from().
  Tensor logits_from(const Tensor& inputs, const std::string& layer, const Tensor& value,
                     const RunOptions& options = {}) const;

  /// What the model gives for `samples` samples from whatever values of the graph are fed.
  ModelOutput outputs_of(const Feeds& feeds, int64_t samples, const RunOptions& options = {}) const;

  /// The `top` best classes, boxes (after suppression) or values of each input. Boxes are in pixels of the input.
  std::vector<std::vector<Prediction>> predict(const Tensor& inputs, int64_t top = 5) const;

  /// The same for one photo. Boxes are in pixels of the photo.
  std::vector<Prediction> predict(const PreparedImage& photo, int64_t top = 5) const;

  /// Resolves target strings for a photo: top1, box:1 and zone:x:y follow what the model says of it. Throws UsageError
  /// for a target that this kind of output does not have, InputError for one that this photo does not.
  std::vector<Target> targets(std::span<const std::string> strings, const PreparedImage& photo) const;

  /// The scores of these targets, with gradients and layers.
  std::unique_ptr<Probe> probe(std::vector<Target> targets, const RunOptions& options = {}) const;

  /// The same model with a plan for scoring (vitrail/plan.h), made on `input` [1,C,H,W] with parts of it hidden at
  /// random, or on an image of noise where none is given; its probes then score by the plan. Where there can be none,
  /// `warnings()` says why. `options.samples` is not looked at.
  Model with_plan(const PlanOptions& options = {}, const Tensor& input = {}) const;
  Model without_plan() const;
  const Plan* plan() const { return plan_.get(); }

  /// The same model with other values of constants of its graph (Graph::with_constants), without a plan.
  Model with_constants(const std::map<std::string, Tensor>& constants) const;

  /// As logits(), by the plan where there is one; without gradients.
  Tensor plan_logits(const Tensor& inputs) const;

  /// [N,C,H,W] -> the model's own input layout.
  Tensor to_layout(const Tensor& inputs) const;
  /// What the values of `output_values()`, from the graph or a plan, say of so many samples.
  ModelOutput read_outputs(const Tensors& values, int64_t samples) const;

  /// The graph values that outputs() feeds and fetches; of several, the first.
  const std::string& input_value() const { return input_value_; }
  std::string logits_value() const { return output_values().front(); }
  /// The one value that the scores come from. Throws ModelError, naming `method`, where there are several.
  std::string only_output_value(const std::string& method) const;
  /// Nodes between a value and the outputs whose gradient is zero almost everywhere.
  std::vector<std::string> non_differentiable(const std::string& from) const;
  /// How the graph's values lie over the photo (model/layout.h). Found at the first call.
  const SpatialLayouts& layouts() const;

 private:
  Model() = default;
  /// Throws where the output is no row of scores although nothing else was said of it.
  void check_output() const;

  std::shared_ptr<const Graph> graph_;
  std::shared_ptr<const Plan> plan_;
  struct LazyLayouts;
  std::shared_ptr<LazyLayouts> layouts_;  ///< shared by copies, which have the same graph
  std::shared_ptr<const OutputReader> reader_;
  Preprocess preprocess_;
  std::vector<std::string> labels_;
  std::string preprocess_source_;
  std::vector<std::string> warnings_;
  std::string input_value_;
};

}  // namespace vitrail
