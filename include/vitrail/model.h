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
#include <vitrail/plan.h>
#include <vitrail/preprocess.h>
#include <vitrail/scorer.h>
#include <vitrail/target.h>

#include <filesystem>
#include <memory>
#include <optional>
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

struct Prediction {
  int64_t index = 0;
  std::string label;
  double logit = 0;
  double probability = 0;
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

  /// [N,C,H,W] -> logits [N,K] (the value before a trailing Softmax). Differentiable in `inputs`.
  Tensor logits(const Tensor& inputs, const RunOptions& options = {}) const;

  /// The same with the value of an inner layer replaced: only what lies behind it is computed again.
  Tensor logits_from(const Tensor& inputs, const std::string& layer, const Tensor& value,
                     const RunOptions& options = {}) const;

  /// Logits of `samples` samples from whatever values of the graph are fed.
  Tensor logits_of(const Feeds& feeds, int64_t samples, const RunOptions& options = {}) const;

  /// The `top` best classes of each input.
  std::vector<std::vector<Prediction>> predict(const Tensor& inputs, int64_t top = 5) const;

  /// The scores of these targets, with gradients and layers.
  std::unique_ptr<Probe> probe(std::vector<Target> targets, const RunOptions& options = {}) const;

  /// The same model with a plan for scoring (vitrail/plan.h), made on `input` [1,C,H,W] with parts of it hidden at
  /// random, or on an image of noise where none is given; its probes then score by the plan. Where there can be none,
  /// `warnings()` says why. `options.samples` is not looked at.
  Model with_plan(const PlanOptions& options = {}, const Tensor& input = {}) const;
  Model without_plan() const;
  const Plan* plan() const { return plan_.get(); }

  /// As logits(), by the plan where there is one; without gradients.
  Tensor plan_logits(const Tensor& inputs) const;

  /// [N,C,H,W] -> the model's own input layout.
  Tensor to_layout(const Tensor& inputs) const;
  /// [N,K] logits of what the graph or the plan gave for `logits_value()`.
  Tensor finish_logits(const Tensor& output, int64_t samples) const;

  /// The graph values that `logits()` feeds and fetches.
  const std::string& input_value() const { return input_value_; }
  const std::string& logits_value() const { return logits_value_; }
  /// How the graph's values lie over the photo (model/layout.h). Found at the first call.
  const SpatialLayouts& layouts() const;
  /// True where the file gives probabilities and holds no logits: `logits()` is their logarithm then.
  bool logits_are_log_probabilities() const { return log_probabilities_; }

 private:
  Model() = default;

  std::shared_ptr<const Graph> graph_;
  std::shared_ptr<const Plan> plan_;
  struct LazyLayouts;
  std::shared_ptr<LazyLayouts> layouts_;  ///< shared by copies, which have the same graph
  Preprocess preprocess_;
  std::vector<std::string> labels_;
  std::string preprocess_source_;
  std::vector<std::string> warnings_;
  std::string input_value_, logits_value_;
  bool log_probabilities_ = false;
};

}  // namespace vitrail
