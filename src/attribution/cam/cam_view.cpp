#include "attribution/cam/cam_view.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "attribution/gradient/target_gradients.h"
#include "attribution/maps.h"

namespace vitrail {

namespace {

/// How the input is looked at.
struct View {
  bool mirrored = false;
  double brightness = 1;  ///< a factor in the model's input space

  Tensor of(const Tensor& input) const { return (mirrored ? input.flip(3) : input) * brightness; }
  Tensor back(const Tensor& cells) const { return mirrored && cells.defined() ? cells.flip(1) : cells; }
};

std::vector<View> make_views(bool augment) {
  std::vector<View> views{{}};
  if (augment)
    for (const bool mirrored : {false, true})
      for (const double brightness : {0.9, 1.0, 1.1})
        if (mirrored || brightness != 1) views.push_back({mirrored, brightness});
  return views;
}

/// The layers to use and others that would do, best first.
struct LayerChoice {
  std::vector<std::string> layers, alternatives;
};

LayerChoice choose_layers(const Probe& probe, const CamSettings& settings) {
  constexpr size_t named = 5;
  LayerChoice choice{layer_names(settings.layer), {}};
  const std::vector<LayerInfo> candidates = probe.spatial_layers();
  for (std::string& layer : choice.layers) {
    if (layer != "auto") continue;
    if (candidates.empty())
      throw UsageError(settings.method + ": the network has no layer with positions between input and output. Name " +
                       "one with layer=..., or use a method that needs no layer, such as integrated_gradients or "
                       "sobol.");
    layer = candidates[0].name;
  }
  for (const LayerInfo& layer : candidates)
    if (choice.alternatives.size() < named &&
        std::find(choice.layers.begin(), choice.layers.end(), layer.name) == choice.layers.end())
      choice.alternatives.push_back(layer.name);
  return choice;
}

/// A sum of evidence over views.
struct EvidenceSum {
  CamEvidence sum;
  int64_t views = 0;

  void add(const CamEvidence& evidence, const View& view) {
    const auto plus = [&](Tensor& total, const Tensor& one) {
      if (one.defined()) total = total.defined() ? total + view.back(one) : view.back(one);
    };
    plus(sum.cells, evidence.cells);
    plus(sum.standard_error, evidence.standard_error);  // views share their random numbers: errors add up at worst
    ++views;
  }
  CamEvidence mean() const {
    const auto divide = [&](const Tensor& total) {
      return total.defined() ? total / static_cast<double>(views) : total;
    };
    return {divide(sum.cells), divide(sum.standard_error)};
  }
};

/// Evidence of every target at one layer, over the views that the budget allows.
std::vector<EvidenceSum> look(MethodRun& run, const Probe& probe, const CamSettings& settings, const std::string& layer,
                              int64_t steps, const CamMethod& method) {
  std::vector<EvidenceSum> sums(run.results().size());
  bool is_input = true;
  for (const View& view : make_views(settings.augment)) {
    if (run.next_chunk(1, steps) == 0) break;
    const Tensor input = run.input().unsqueeze(0);
    CamView seen(run, probe, settings, layer, is_input ? input : view.of(input), is_input);
    const std::vector<CamEvidence> evidence = method(seen);
    for (size_t t = 0; t < evidence.size(); ++t)
      if (evidence[t].cells.defined()) sums[t].add(evidence[t], view);
    is_input = false;
  }
  return sums;
}

/// Adds one layer's evidence to a result: alone as it is, beside others by its largest value.
void add_layer(Explanation& result, const MethodRun& run, CamEvidence evidence, bool relu, size_t layers) {
  if (relu && evidence.cells.le(0).all().item<bool>() && evidence.cells.lt(0).any().item<bool>())
    result.warnings.push_back("Every cell of the layer speaks against the target. relu=false shows how much.");
  if (relu) evidence.cells = evidence.cells.relu();
  const auto enlarge = [&](const Tensor& cells, bool cut) {
    const Tensor map = upsample(cells, run.height(), run.width(), Interpolation::bicubic);
    return cut ? map.relu() : map;
  };
  Tensor map = enlarge(evidence.cells, relu), error;
  if (evidence.standard_error.defined()) error = enlarge(evidence.standard_error, true);
  if (layers > 1) {
    const double largest = evidence.cells.abs().max().item<double>();
    const double share = 1 / (static_cast<double>(layers) * (largest > 0 ? largest : 1));
    map = map * share;
    if (error.defined()) error = error * share;
  } else {
    result.cells = evidence.cells;
  }
  result.map = result.map.defined() ? result.map + map : map;
  if (error.defined()) result.standard_error = result.standard_error.defined() ? result.standard_error + error : error;
}

}  // namespace

CamView::CamView(MethodRun& run, const Probe& probe, const CamSettings& settings, std::string layer,
                 const Tensor& input, bool is_input)
    : run_(run),
      probe_(probe),
      settings_(settings),
      layer_(std::move(layer)),
      input_(input),
      is_input_(is_input),
      suffix_(probe.suffix(input, layer_)) {
  const Tensor& value = suffix_->activation();
  if (value.dim() != 4 || value.size(0) != 1)
    throw UsageError(method() + ": the probe's value of layer \"" + layer_ + "\" has " + std::to_string(value.dim()) +
                     " dimensions, expected planes [1,K,h,w].");
}

Tensors CamView::gradients() {
  const at::AutoGradMode recording(true);
  const Tensor leaf = suffix_->activation().detach().requires_grad_(true);
  const std::vector<bool> all(run_.results().size(), true);
  auto [scores, gradients] = gradients_of_scores(run_, suffix_->score(leaf), leaf, all);
  set_scores(scores[0]);
  for (Tensor& gradient : gradients) gradient = gradient[0];
  return gradients;
}

Tensor CamView::scores(const Tensor& activations) {
  const at::NoGradGuard no_grad;
  Tensors chunks;
  run_.in_batches(activations.size(0), [&](int64_t first, int64_t n) {
    chunks.push_back(check_scores(suffix_->score(activations.narrow(0, first, n)), n, run_.targets()));
    run_.count(n, 0);
  });
  return chunks.size() == 1 ? chunks[0] : at::cat(chunks);
}

void CamView::set_scores(const Tensor& scores) {
  if (is_input_) run_.set_scores(scores);
}

Tensor CamView::evidence(const Tensor& terms) const {
  return settings_.principal ? first_principal_component(terms) : terms.sum(0);
}

std::vector<CamEvidence> CamView::for_all_targets(const Tensor& cells) const {
  return std::vector<CamEvidence>(run_.results().size(), {cells, {}});
}

void explain_by_cam(MethodRun& run, const Probe& probe, const CamSettings& settings, int64_t steps,
                    const CamMethod& method) {
  const LayerChoice choice = choose_layers(probe, settings);
  for (Explanation& result : run.results()) {
    result.is_signed = !settings.relu;
    result.plan["layer"] = join(choice.layers, "+");
    if (!choice.alternatives.empty()) result.plan["layer_alternatives"] = join(choice.alternatives);
    if (choice.layers.size() > 1) result.unit = "share of each layer's largest cell";
  }
  for (const std::string& layer : choice.layers) {
    const std::vector<EvidenceSum> sums = look(run, probe, settings, layer, steps, method);
    for (size_t t = 0; t < sums.size(); ++t)
      if (sums[t].views > 0) add_layer(run.results()[t], run, sums[t].mean(), settings.relu, choice.layers.size());
  }
  for (Explanation& result : run.results())
    if (!result.map.defined()) result.map = at::zeros({run.height(), run.width()}, run.input().options());
}

std::vector<std::string> layer_names(const std::string& layer) {
  std::vector<std::string> names;
  for (size_t first = 0, plus = 0; plus != std::string::npos; first = plus + 1) {
    plus = layer.find('+', first);
    names.push_back(layer.substr(first, plus == std::string::npos ? plus : plus - first));
  }
  return names;
}

int64_t views_of(bool augment) { return augment ? 6 : 1; }

LayerInfo layer_info(const Probe& probe, const std::string& layer) {
  for (const LayerInfo& candidate : probe.spatial_layers())
    if (layer == "auto" || candidate.name == layer || candidate.value == layer) return candidate;
  return {};
}

Tensor first_principal_component(const Tensor& terms) {
  const Tensor x = terms.flatten(1).t().to(at::kDouble);  // [hw,K]
  const bool tall = x.size(0) > x.size(1);
  const Tensor gram = tall ? at::matmul(x.t(), x) : at::matmul(x, x.t());
  if (!gram.isfinite().all().item<bool>()) return terms.sum(0);
  const auto [values, vectors] = at::linalg_eigh(gram);
  const Tensor last = vectors.select(1, -1);
  const Tensor projection = tall ? at::matmul(x, last) : last * values[-1].clamp_min(0).sqrt();
  const Tensor sum = x.sum(1);
  const double along = (projection * sum).sum().item<double>();
  return (along < 0 ? -projection : projection).view({terms.size(1), terms.size(2)}).to(terms.options());
}

}  // namespace vitrail
