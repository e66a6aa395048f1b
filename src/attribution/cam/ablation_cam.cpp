#include <vitrail/ablation_cam.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "attribution/cam/cam_view.h"

namespace vitrail {

namespace {

Method::Cost ablation_cost(const GradCamOptions& options, int64_t, int64_t, int64_t) {
  return cost_of_views(options, {1, 0});
}

Method::Cost ablation_cost_on(const GradCamOptions& options, const Probe& probe, int64_t, int64_t) {
  return cost_by_layers(options, probe, [](const LayerInfo& layer) { return Method::Cost{1 + layer.channels, 0}; });
}

Method::Cost recipro_cost(const ReciproCamOptions& options, int64_t, int64_t, int64_t) {
  return cost_of_views(options, {2, 0});
}

Method::Cost recipro_cost_on(const ReciproCamOptions& options, const Probe& probe, int64_t, int64_t) {
  return cost_by_layers(options, probe,
                        [](const LayerInfo& layer) { return Method::Cost{2 + layer.height * layer.width, 0}; });
}

const MethodDefinition<GradCamOptions, Probe>& ablation() {
  static const MethodDefinition<GradCamOptions, Probe> definition(
      {.name = "ablation_cam",
       .family = "cam",
       .summary = "Activations weighted by the share of the score that is lost without each channel.",
       .formula = "sum_k alpha_k A_k, alpha_k = (g(A) - g(A with A_k = 0)) / |g(A)|",
       .cost = "1 + channels of the layer, behind the layer only",
       .guarantees = "exact and deterministic; valid when stopped early",
       .source = "Desai, Ramaswamy: Ablation-CAM, WACV 2020",
       .access = Access::layer,
       .is_signed = true,
       .unit = "share of the score x activation"},
      cam_rows<GradCamOptions>(), ablation_cam, ablation_cost, ablation_cost_on);
  return definition;
}

const MethodDefinition<ReciproCamOptions, Probe>& recipro() {
  using Options = ReciproCamOptions;
  static const MethodDefinition<Options, Probe> definition(
      {.name = "recipro_cam",
       .family = "cam",
       .summary = "The score of each position of a late layer alone.",
       .formula = "g(W_p A) - g(0) at position p, W_p a window around p",
       .cost = "2 + positions of the layer, behind the layer only",
       .guarantees = "exact and deterministic; valid when stopped early",
       .source = "Byun, Lee: Recipro-CAM, arXiv 2209.14074, 2022",
       .access = Access::layer,
       .is_signed = true,
       .unit = "logit"},
      cam_rows<Options>({choice("window", &Options::window, "what is kept around a position",
                                {{"gaussian", KeptWindow::gaussian}, {"single", KeptWindow::single}})}),
      recipro_cam, recipro_cost, recipro_cost_on);
  return definition;
}

/// Scores of values that `make(first, n)` gives [n,K,h,w], as far as the run goes; float64 [done,T].
template <class Make>
Tensor score_all(CamView& view, int64_t count, const Make& make) {
  Tensor scores = at::zeros({count, view.run().targets()}, at::kDouble);
  int64_t done = 0;
  while (const int64_t n = view.run().next_chunk(count - done)) {
    scores.narrow(0, done, n).copy_(view.scores(make(done, n)));
    done += n;
  }
  return scores.narrow(0, 0, done);
}

std::vector<CamEvidence> ablation_evidence(CamView& view) {
  const Tensor activation = view.activation(), score = view.scores(activation.unsqueeze(0))[0];
  view.set_scores(score);
  std::vector<int64_t> firing;
  const Tensor fires = activation.flatten(1).ne(0).any(1);
  for (int64_t k = 0; k < activation.size(0); ++k)
    if (fires[k].item<bool>()) firing.push_back(k);
  const Tensor scores = score_all(view, std::ssize(firing), [&](int64_t first, int64_t n) {
    const Tensor without = activation.unsqueeze(0).repeat({n, 1, 1, 1});
    for (int64_t i = 0; i < n; ++i) without[i][firing[static_cast<size_t>(first + i)]].zero_();
    return without;
  });
  const Tensor done = at::tensor(firing, at::kLong).narrow(0, 0, scores.size(0));
  std::vector<CamEvidence> evidence;
  for (int64_t t = 0; t < score.size(0); ++t) {
    const double whole = std::abs(score[t].item<double>());
    if (whole == 0)
      view.run().results()[static_cast<size_t>(t)].warnings.push_back(
          "The score is 0: ablation_cam gives what channels change it by, not shares of it.");
    const Tensor alpha = (score[t] - scores.select(1, t)) / (whole == 0 ? 1 : whole);
    const Tensor terms = alpha.to(activation.options()).view({-1, 1, 1}) * activation.index_select(0, done);
    evidence.push_back({scores.size(0) == 0 ? at::zeros_like(activation[0]) : view.evidence(terms), {}});
  }
  return evidence;
}

/// The kept windows around positions `first` .. `first + n - 1` of an h x w grid: [n,1,h,w].
Tensor kept_windows(int64_t first, int64_t n, int64_t h, int64_t w, KeptWindow window) {
  constexpr std::array<double, 3> edge = {1, 2, 1};
  const Tensor windows = at::zeros({n, 1, h, w});
  auto values = windows.accessor<float, 4>();
  for (int64_t i = 0; i < n; ++i) {
    const int64_t row = (first + i) / w, column = (first + i) % w;
    if (window == KeptWindow::single) {
      values[i][0][row][column] = 1;
      continue;
    }
    for (int64_t y = std::max<int64_t>(0, row - 1); y <= std::min(h - 1, row + 1); ++y)
      for (int64_t x = std::max<int64_t>(0, column - 1); x <= std::min(w - 1, column + 1); ++x)
        values[i][0][y][x] =
            static_cast<float>(edge[static_cast<size_t>(y - row + 1)] * edge[static_cast<size_t>(x - column + 1)] / 16);
  }
  return windows;
}

std::vector<CamEvidence> recipro_evidence(CamView& view, KeptWindow window) {
  const Tensor activation = view.activation(), zero = at::zeros({}, activation.options());
  const int64_t h = activation.size(1), w = activation.size(2);
  view.set_scores(view.scores(activation.unsqueeze(0))[0]);
  if (view.run().next_chunk(1) == 0) return {};
  const Tensor empty = view.scores(at::zeros_like(activation).unsqueeze(0));
  const Tensor scores = score_all(view, h * w, [&](int64_t first, int64_t n) {
    const Tensor kept = kept_windows(first, n, h, w, window).to(activation.options());
    return at::where(kept == 0, zero, kept * activation);  // by selection: NaN elsewhere stays there
  });
  const Tensor cells = at::zeros({h * w, empty.size(1)}, at::kDouble);
  cells.narrow(0, 0, scores.size(0)).copy_(scores - empty);
  std::vector<CamEvidence> evidence;
  for (int64_t t = 0; t < cells.size(1); ++t) evidence.push_back({cells.select(1, t).reshape({h, w}), {}});
  return evidence;
}

}  // namespace

MethodList layer_perturbation_methods() { return {&ablation(), &recipro()}; }

std::vector<Explanation> ablation_cam(const Probe& probe, const Tensor& inputs, const GradCamOptions& options,
                                      const Execution& execution) {
  return ablation().run(probe, inputs, options, execution, [&](MethodRun& run) {
    explain_by_cam(run, probe, settings_of("ablation_cam", options), 1, ablation_evidence);
  });
}

std::vector<Explanation> recipro_cam(const Probe& probe, const Tensor& inputs, const ReciproCamOptions& options,
                                     const Execution& execution) {
  return recipro().run(probe, inputs, options, execution, [&](MethodRun& run) {
    explain_by_cam(run, probe, settings_of("recipro_cam", options), 1,
                   [&](CamView& view) { return recipro_evidence(view, options.window); });
  });
}

}  // namespace vitrail
