#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <vitrail/cam.h>

#include <array>

#include "attribution/cam/gradient_evidence.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

Tensor gradcam_pp(const Tensor& a, const Tensor& g) {
  const Tensor denominator = 2 * g.pow(2) + g.pow(3) * a.sum({1, 2}, /*keepdim=*/true);
  const Tensor rates = g.pow(2) / denominator.masked_fill(denominator == 0, 1e-4);
  return ((rates * g.relu()).mean({1, 2}, /*keepdim=*/true) * a).sum(0);
}

Tensor hirescam(const Tensor& a, const Tensor& g) { return (g * a).sum(0); }

Tensor elementwise_cam(const Tensor& a, const Tensor& g) { return (g * a).relu().sum(0); }

Tensor layercam(const Tensor& a, const Tensor& g) { return (g.relu() * a).sum(0); }

Tensor xgradcam(const Tensor& a, const Tensor& g) {
  const Tensor total = a.sum({1, 2}, /*keepdim=*/true);
  const Tensor alpha = (g * a).sum({1, 2}, /*keepdim=*/true) / total;
  return (at::where(total == 0, at::zeros_like(alpha), alpha) * a).sum(0);
}

struct Row {
  const char *name, *summary, *formula, *source;
  GradientEvidence* evidence;
};

/// In the order of Cam.
constexpr std::array<Row, 5> rows{{
    {"gradcam_pp", "Grad-CAM whose weights favour positions with a positive gradient.",
     "sum_k alpha_k A_k, alpha_k = mean(G_k^2 / (2 G_k^2 + G_k^3 sum_ij A_k) * ReLU(G_k)), G = dg/dA",
     "Chattopadhay, Sarkar, Howlader, Balasubramanian: Grad-CAM++, WACV 2018", gradcam_pp},
    {"hirescam", "Gradient times activation at every position of a late layer.", "sum_k G_k A_k, G = dg/dA",
     "Draelos, Carin: Use HiResCAM instead of Grad-CAM, 2020", hirescam},
    {"elementwise_cam", "Gradient times activation of a late layer, only where the product is positive.",
     "sum_k ReLU(G_k A_k), G = dg/dA", "the positive part of HiResCAM's terms", elementwise_cam},
    {"layercam", "Activations of a layer weighted by their own positive gradients.", "sum_k ReLU(G_k) A_k, G = dg/dA",
     "Jiang, Zhang, Hou, Cheng, Wei: LayerCAM, TIP 2021", layercam},
    {"xgradcam", "Grad-CAM whose weights are gradients averaged by activation.",
     "sum_k alpha_k A_k, alpha_k = sum_ij G_k A_k / sum_ij A_k, G = dg/dA",
     "Fu, Hu, Dong, Guo, Gao, Li: Axiom-based Grad-CAM, BMVC 2020", xgradcam},
}};

Method::Cost cost(const GradCamOptions&, int64_t, int64_t, int64_t targets) { return {1, targets}; }

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
           .cost = "1 forward, 1 backward a target behind the layer",
           .guarantees = "exact and deterministic",
           .source = row.source,
           .access = Access::layer,
           .is_signed = true,
           .unit = "logit"},
          gradcam_options(),
          explain_as<method>,
          cost};
}

const std::array<Definition, rows.size()>& definitions() {
  static const std::array<Definition, rows.size()> definitions{define<Cam::gradcam_pp>(), define<Cam::hirescam>(),
                                                               define<Cam::elementwise_cam>(), define<Cam::layercam>(),
                                                               define<Cam::xgradcam>()};
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
  return definitions()[index].run(probe, inputs, options, execution, [&](MethodRun& run) {
    explain_by_gradient_evidence(run, probe, rows[index].name, options, rows[index].evidence);
  });
}

}  // namespace vitrail
