#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <vitrail/cam.h>
#include <vitrail/graph.h>

#include <algorithm>
#include <array>

#include "attribution/cam/gradient_evidence.h"
#include "attribution/gradient/target_gradients.h"

namespace vitrail {

namespace {

Tensor hirescam(const Tensor& a, const Tensor& g) { return g * a; }

Tensor elementwise_cam(const Tensor& a, const Tensor& g) { return (g * a).relu(); }

Tensor layercam(const Tensor& a, const Tensor& g) { return g.relu() * a; }

Tensor xgradcam(const Tensor& a, const Tensor& g) {
  const Tensor total = a.sum({1, 2}, /*keepdim=*/true);
  const Tensor alpha = (g * a).sum({1, 2}, /*keepdim=*/true) / total;
  return at::where(total == 0, at::zeros_like(alpha), alpha) * a;
}

/// UsageError unless the scores are the same affine function of the mean over positions everywhere.
void check_pooled_linear_head(CamView& view, const Tensors& gradients) {
  const auto refuse = [&](const std::string& found) {
    throw UsageError("cam: behind layer \"" + view.layer() + "\" " + found +
                     ", expected global average pooling, one linear layer and nothing else. Name the layer before the "
                     "pooling with layer=..., or take gradcam or hirescam, which need no such head.");
  };
  const std::vector<std::string> others = view.probe().not_affine_behind(view.layer());
  if (!others.empty()) {
    const std::vector<std::string> first(others.begin(),
                                         others.begin() + std::min<std::ptrdiff_t>(3, std::ssize(others)));
    refuse("there are " + std::to_string(others.size()) + " operators that are not affine, among them " + join(first));
  }
  const at::AutoGradMode recording(true);
  const Tensor elsewhere = at::zeros_like(view.suffix().activation()).requires_grad_(true);
  const std::vector<bool> all(gradients.size(), true);
  const Tensors at_zero = gradients_of_scores(view.run(), view.suffix().score(elsewhere), elsewhere, all).gradients;
  for (size_t t = 0; t < gradients.size(); ++t) {
    const double tolerance = 1e-4 * gradients[t].abs().max().item<double>();
    const auto differs = [&](const Tensor& from) {
      return (gradients[t] - from).abs().max().item<double>() > tolerance;
    };
    if (differs(at_zero[t][0])) refuse("the score (" + view.run().results()[t].unit + ") is not linear");
    if (differs(gradients[t].mean({1, 2}, /*keepdim=*/true))) refuse("positions have different weights");
  }
}

/// d/dA of (sum of G A) with G held: the product of the score's Hessian with A; zero where the score is linear.
Tensor hessian_times_activation(const Tensor& gradient, const Tensor& leaf, bool retain_graph) {
  if (!gradient.requires_grad()) return at::zeros_like(leaf);
  return vitrail::gradient({gradient}, {leaf}, {leaf.detach()}, /*create_graph=*/false, retain_graph)[0];
}

/// Weights of every target from its gradient and Hessian-vector product.
std::vector<CamEvidence> shapley_evidence(CamView& view) {
  const at::AutoGradMode recording(true);
  MethodRun& run = view.run();
  const Tensor leaf = view.suffix().activation().detach().requires_grad_(true);
  const Tensor scores = view.suffix().score(leaf);
  view.set_scores(check_scores(scores, 1, run.targets())[0]);
  std::vector<CamEvidence> evidence;
  for (int64_t t = 0; t < run.targets(); ++t) {
    const Tensor gradient =
        vitrail::gradient({scores.select(1, t).sum()}, {leaf}, {}, /*create_graph=*/true, /*retain_graph=*/true)[0];
    const Tensor product = hessian_times_activation(gradient, leaf, /*retain_graph=*/true);
    const Tensor alpha = (gradient.detach() - product / 2)[0].mean({1, 2}, /*keepdim=*/true);
    evidence.push_back({view.evidence(alpha * view.activation()), {}});
  }
  run.count(1, 2 * run.targets());
  return evidence;
}

std::vector<CamEvidence> head_evidence(CamView& view) {
  const Tensors gradients = view.gradients();
  check_pooled_linear_head(view, gradients);
  std::vector<CamEvidence> evidence;
  for (const Tensor& gradient : gradients)  // of a mean over positions: each holds w_k / (hw)
    evidence.push_back({view.evidence(gradient.sum({1, 2}, /*keepdim=*/true) * view.activation()), {}});
  return evidence;
}

/// A row has terms from one gradient, or its own way to the evidence.
struct Row {
  const char *name, *summary, *formula, *guarantees, *source;
  int64_t passes;  ///< backwards a target
  Tensor (*terms)(const Tensor&, const Tensor&);
  std::vector<CamEvidence> (*evidence)(CamView&);
};

constexpr const char* exact = "exact and deterministic";

/// In the order of Cam.
constexpr std::array<Row, 6> rows{{
    {"cam", "Activations weighted by the head's own weights: global average pooling and one linear layer.",
     "sum_k w_k A_k, w the weights of the linear layer behind the pooling",
     "exact; its cells' mean is the score less its bias; other heads are refused",
     "Zhou, Khosla, Lapedriza, Oliva, Torralba: Learning Deep Features, CVPR 2016", 2, nullptr, head_evidence},
    {"hirescam", "Gradient times activation at every position of a late layer.", "sum_k G_k A_k, G = dg/dA", exact,
     "Draelos, Carin: Use HiResCAM instead of Grad-CAM, 2020", 1, hirescam, nullptr},
    {"elementwise_cam", "Gradient times activation of a late layer, only where the product is positive.",
     "sum_k ReLU(G_k A_k), G = dg/dA", exact, "the positive part of HiResCAM's terms", 1, elementwise_cam, nullptr},
    {"layercam", "Activations of a layer weighted by their own positive gradients.", "sum_k ReLU(G_k) A_k, G = dg/dA",
     exact, "Jiang, Zhang, Hou, Cheng, Wei: LayerCAM, TIP 2021", 1, layercam, nullptr},
    {"xgradcam", "Grad-CAM whose weights are gradients averaged by activation.",
     "sum_k alpha_k A_k, alpha_k = sum_ij G_k A_k / sum_ij A_k, G = dg/dA", exact,
     "Fu, Hu, Dong, Guo, Gao, Li: Axiom-based Grad-CAM, BMVC 2020", 1, xgradcam, nullptr},
    {"shapley_cam", "Grad-CAM whose gradients are corrected for curvature by a Hessian-vector product.",
     "sum_k alpha_k A_k, alpha_k = mean(G_k - (H A)_k / 2), G = dg/dA, H the Hessian", exact,
     "Cai: CAMs as Shapley Value-based Explainers, 2025", 2, nullptr, shapley_evidence},
}};

template <Cam method>
Method::Cost cost(const GradCamOptions& options, int64_t, int64_t, int64_t targets) {
  const int64_t forwards = method == Cam::cam ? 2 : 1;
  return cost_of_views(options, {forwards, rows[static_cast<size_t>(method)].passes * targets});
}

template <Cam method>
std::vector<Explanation> explain_as(const Probe& probe, const Tensor& inputs, const GradCamOptions& options,
                                    const Execution& execution) {
  return gradient_cam(method, probe, inputs, options, execution);
}

using Definition = MethodDefinition<GradCamOptions, Probe>;

template <Cam method>
Definition define() {
  const Row& row = rows[static_cast<size_t>(method)];
  return {{.name = row.name,
           .family = "cam",
           .summary = row.summary,
           .formula = row.formula,
           .cost = method == Cam::cam ? "2 forwards, 2 backwards a target behind the layer"
                                      : (row.passes == 1 ? "1 forward, 1 backward a target behind the layer"
                                                         : "1 forward, 2 backwards a target behind the layer"),
           .guarantees = row.guarantees,
           .source = row.source,
           .access = Access::layer,
           .is_signed = true,
           .unit = "logit"},
          cam_rows<GradCamOptions>(),
          explain_as<method>,
          cost<method>};
}

const std::array<Definition, rows.size()>& definitions() {
  static const std::array<Definition, rows.size()> definitions{
      define<Cam::cam>(),      define<Cam::hirescam>(), define<Cam::elementwise_cam>(),
      define<Cam::layercam>(), define<Cam::xgradcam>(), define<Cam::shapley_cam>()};
  return definitions;
}

}  // namespace

MethodList gradient_cam_methods() {
  MethodList list;
  for (const Definition& definition : definitions()) list.push_back(&definition);
  return list;
}

std::vector<Explanation> gradient_cam(Cam method, const Probe& probe, const Tensor& inputs,
                                      const GradCamOptions& options, const Execution& execution) {
  const auto index = static_cast<size_t>(method);
  const Row& row = rows[index];
  return definitions()[index].run(probe, inputs, options, execution, [&](MethodRun& run) {
    const CamSettings settings = settings_of(row.name, options);
    if (row.terms) return explain_by_gradient(run, probe, settings, row.terms);
    warn_of_flat_operators(run, probe);
    explain_by_cam(run, probe, settings, 1 + row.passes * run.targets(), row.evidence);
  });
}

}  // namespace vitrail
