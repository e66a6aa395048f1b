#pragma once

// What a method needs to know of a model, from least to most. Inputs are [N,C,H,W] here whatever
// the model's own layout is; attribution on another tensor (an activation, concept codes) is the same
// call with a scorer of the suffix.
//
//   Scorer                 a batch of inputs -> [N,T] scores, one column a target: black-box methods
//   DifferentiableScorer   the same, and the scores carry an autograd graph: gradient methods
//   Probe                  and the network can be cut at a layer: CAM methods, attribution on layers (layer_scorer.h)
//
// All are const and may be used from several threads at once.

#include <vitrail/backward_rule.h>
#include <vitrail/graph.h>
#include <vitrail/local_scorer.h>
#include <vitrail/target.h>
#include <vitrail/tensor.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vitrail {

class Model;

class Scorer {
 public:
  virtual ~Scorer() = default;

  /// [N,C,H,W] -> [N,T]. Black-box methods call it without recording gradients.
  virtual Tensor score(const Tensor& inputs) const = 0;

  /// One a column of score(). At least one.
  virtual std::vector<Target> targets() const = 0;

  /// What computes the scores, for the record of a result: a model's plan, say. Default: nothing to say.
  virtual std::map<std::string, std::string> engine() const { return {}; }

  /// A pixel value (0..255) in input space, [C,1,1]; how `black` and numeric baselines are placed.
  /// Default: the inputs are pixels.
  virtual Tensor pixel(double value, int64_t channels) const;

  /// For images that differ from a known one in one of `rectangles`, of which `batch` are scored at a time: only what
  /// changes is computed (vitrail/local_scorer.h). Default: null, whole images are scored.
  virtual std::unique_ptr<LocalScorer> local(const std::vector<ImagePatch>& rectangles, int64_t batch) const;

  /// A photo prepared as an input [C,H,W]: for baselines made of other photos. Default: a UsageError, for lack of a
  /// preprocessing.
  virtual Tensor prepare(const std::filesystem::path& photo) const;
};

class DifferentiableScorer : public Scorer {
 public:
  /// As score(), and when `inputs` requires a gradient the result carries the graph to it.
  virtual Tensor differentiable_score(const Tensor& inputs) const = 0;

  /// As differentiable_score(), with the backward pass of ReLU-type operators changed. Default: UsageError for every
  /// rule but `plain`; a function has no operators to change.
  virtual Tensor score_with_rule(const Tensor& inputs, BackwardRule rule) const;

  /// Samples that are best scored and differentiated at a time; more are right, and slower. Default: 0, as many as
  /// there are.
  virtual int64_t gradient_batch() const { return 0; }

  /// Nodes between inputs and scores whose gradient is zero almost everywhere; methods warn with them.
  virtual std::vector<std::string> gradient_warnings() const { return {}; }
};

/// The network behind a layer, for given inputs: what it needs from before the layer is computed once.
///
/// Any value of the network is a layer here, read as a picture: the positions of the photo as planes [N,K,h,w] where it
/// keeps them (without class tokens and registers, which stay as they are for the inputs); else [N,T,D] as [N,D,1,T]
/// and rows [N,D] as [N,1,1,D].
class Suffix {
 public:
  virtual ~Suffix() = default;

  /// The layer's value for the inputs, [N,K,h,w], without a graph.
  virtual const Tensor& activation() const = 0;

  /// Scores [n,T] of other values [n,K,h,w] of the layer, differentiable in them. n is that of the inputs, or any
  /// number where there was one input.
  virtual Tensor score(const Tensor& activations) const = 0;

  /// As score(), with the backward pass of ReLU-type operators changed. Default: UsageError for every rule but `plain`.
  virtual Tensor score_with_rule(const Tensor& activations, BackwardRule rule) const;

  /// Whether rows and columns of the planes are places of the photo.
  virtual bool has_place() const { return true; }

  /// Whether all that the inputs say to the scores goes through the planes: no residual branch runs past the layer, no
  /// class token. Default: nobody knows.
  virtual bool is_complete() const { return false; }

  /// Nodes behind the layer whose gradient is zero almost everywhere.
  virtual std::vector<std::string> gradient_warnings() const { return {}; }
};

/// What the constants of one place in the network contribute to the scores of one sample (fullgrad.h).
struct BiasTerm {
  std::string layer, op;
  Tensor planes;           ///< [T,K,h,w]: gradient of each target times the bias
  bool has_place = false;  ///< rows and columns are places of the photo
};

class Probe : public DifferentiableScorer {
 public:
  /// Layers that a CAM can use (last tensor with spatial extent first), best first.
  virtual std::vector<LayerInfo> spatial_layers() const = 0;

  /// The value of a layer as [N,C,h,w] (token and channels-last layouts are brought to it).
  virtual Tensor activation(const Tensor& inputs, const std::string& layer) const = 0;

  /// Runs the rest of the network from the layer: scores [N,T], differentiable in `activation`.
  virtual Tensor score_from(const Tensor& inputs, const std::string& layer, const Tensor& activation) const = 0;

  /// What lies behind a layer, for many values of it. Default: by activation() and score_from().
  virtual std::unique_ptr<const Suffix> suffix(const Tensor& inputs, const std::string& layer) const;

  /// Nodes behind the layer that are not affine in it ("Relu node 'relu_3'"). Default: nothing is known of any.
  virtual std::vector<std::string> not_affine_behind(const std::string& layer) const { return {}; }

  /// For one input [1,C,H,W]: gradient times bias of every node that is not linear without constants, such that they
  /// and gradient times input add up to the score. Default: a UsageError; a function has no nodes.
  virtual std::vector<BiasTerm> bias_terms(const Tensor& input) const;

  /// The model whose scores these are, for methods that walk over its graph themselves. Default: null, there is none.
  virtual const Model* model() const { return nullptr; }
};

/// Any function as a scorer.
class CallableScorer : public DifferentiableScorer {
 public:
  using Function = std::function<Tensor(const Tensor&)>;
  /// `function`: [N,C,H,W] -> [N,T] with T = targets.size().
  CallableScorer(Function function, std::vector<Target> targets = {Target{}})
      : function_(std::move(function)), targets_(std::move(targets)) {}
  Tensor score(const Tensor& inputs) const override { return function_(inputs); }
  Tensor differentiable_score(const Tensor& inputs) const override { return function_(inputs); }
  std::vector<Target> targets() const override { return targets_; }

 private:
  Function function_;
  std::vector<Target> targets_;
};

}  // namespace vitrail
