#pragma once

// What the class activation maps share. A method says what the evidence of a layer is; this chooses the layers, makes
// views of the input, and turns evidence into maps.
//
//   definition().run(probe, inputs, options, execution, [&](MethodRun& run) {
//     explain_by_cam(run, probe, settings_of("eigen_cam", options), 1, [](CamView& view) {
//       return view.for_all_targets(first_principal_component(view.activation()));
//     });
//   });

#include <vitrail/gradcam.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attribution/method_impl.h"
#include "attribution/options.h"
#include "attribution/run.h"

namespace vitrail {

/// The options that every map has, as its options struct holds them.
struct CamSettings {
  std::string method;  ///< the name in messages
  std::string layer;
  bool relu = true, augment = false, principal = false;
};

template <class Options>
CamSettings settings_of(std::string method, const Options& options) {
  CamSettings settings{std::move(method), options.layer, options.relu, options.augment, false};
  if constexpr (requires { options.principal; }) settings.principal = options.principal;
  return settings;
}

/// How much the positions [h,w] of a layer say for one target. Empty tensors: nothing was computed.
struct CamEvidence {
  Tensor cells = {};
  Tensor standard_error = {};  ///< where the method samples
};

/// One layer, seen through one view of the input (itself, mirrored, darker, brighter).
class CamView {
 public:
  CamView(MethodRun& run, const Probe& probe, const CamSettings& settings, std::string layer, const Tensor& input,
          bool is_input);

  MethodRun& run() const { return run_; }
  const Probe& probe() const { return probe_; }
  const std::string& method() const { return settings_.method; }
  const std::string& layer() const { return layer_; }
  const Tensor& input() const { return input_; }  ///< [1,C,H,W]
  const Suffix& suffix() const { return *suffix_; }
  Tensor activation() const { return suffix_->activation()[0]; }  ///< [K,h,w]

  /// d score / d activation, [K,h,w] of each target: 1 forward and 1 backward a target.
  Tensors gradients();

  /// Scores of other values [n,K,h,w] of the layer: float64 [n,T], n forwards of what lies behind it.
  Tensor scores(const Tensor& activations);

  /// Says what the scores [T] of this view are, for the record of the input.
  void set_scores(const Tensor& scores);

  /// [h,w] from the terms [K,h,w] of the channels: their sum, or their first principal component.
  Tensor evidence(const Tensor& terms) const;

  /// The same evidence for every target.
  std::vector<CamEvidence> for_all_targets(const Tensor& cells) const;

 private:
  MethodRun& run_;
  const Probe& probe_;
  const CamSettings& settings_;
  std::string layer_;
  Tensor input_;
  bool is_input_;
  std::unique_ptr<const Suffix> suffix_;
};

/// The evidence of each target in one view; partial where the run was stopped.
using CamMethod = std::function<std::vector<CamEvidence>(CamView&)>;

/// Fills the run's results. `steps`: forwards and backwards without which a view says nothing.
void explain_by_cam(MethodRun& run, const Probe& probe, const CamSettings& settings, int64_t steps,
                    const CamMethod& method);

/// Layers that `layer` names, "a+b" two; views of the input.
std::vector<std::string> layer_names(const std::string& layer);
int64_t views_of(bool augment);

/// Cost of one view, for all layers and views.
template <class Options>
Method::Cost cost_of_views(const Options& options, const Method::Cost& one) {
  const int64_t times = views_of(options.augment) * static_cast<int64_t>(layer_names(options.layer).size());
  return {one.forwards * times, one.backwards * times};
}

/// What the probe knows of a layer before anything is computed; zeros where nothing.
LayerInfo layer_info(const Probe& probe, const std::string& layer);

/// Sum over the layers of `options` of what one view of each costs, for all views.
template <class Options, class CostOfLayer>
Method::Cost cost_by_layers(const Options& options, const Probe& probe, const CostOfLayer& one) {
  Method::Cost sum;
  for (const std::string& layer : layer_names(options.layer)) {
    const Method::Cost cost = one(layer_info(probe, layer));
    sum.forwards += cost.forwards * views_of(options.augment);
    sum.backwards += cost.backwards * views_of(options.augment);
  }
  return sum;
}

/// The option rows that every map has; without `principal` for maps that are principal components or have no channels.
template <class Options>
std::vector<Option<Options>> cam_rows(std::vector<Option<Options>> own = {}) {
  std::vector<Option<Options>> rows{
      option("layer", &Options::layer, "layer or value name; a+b: the mean of two; auto: the last one with positions"),
      option("relu", &Options::relu, "keep only what speaks for the target"),
      option("augment", &Options::augment, "mean over six views: mirrored or not, times .9, 1, 1.1"),
  };
  if constexpr (requires { &Options::principal; })
    rows.push_back(option("principal", &Options::principal,
                          "the first principal component of the channels' terms instead of their sum"));
  rows.insert(rows.end(), own.begin(), own.end());
  return rows;
}

/// Projection of [K,h,w] on its first right singular vector as hw x K: [h,w], in the direction of the sum over
/// channels.
Tensor first_principal_component(const Tensor& terms);

}  // namespace vitrail
