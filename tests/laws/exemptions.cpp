// Why a law does not apply to a method. `*` stands for a whole family ("cam/*").

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <tuple>

#include "laws/laws.h"

namespace vitrail::laws {

namespace {

struct Exemption {
  std::string law;
  std::vector<std::string> methods;
  std::string reason;
};

const std::vector<Exemption>& exemptions() {
  static const std::vector<Exemption> table = {
      {"a target of its own",
       {"eigen_cam", "fem", "random_cam", "attention_rollout", "control/*"},
       "has no target, by definition"},

      {"completeness", {"control/*"}, "knows nothing of the score"},
      {"dummy", {"control/*"}, "knows nothing of the score"},
      {"linearity", {"control/*"}, "knows nothing of the score"},
      {"symmetry", {"control/*"}, "knows nothing of the score"},
      {"shift", {"random", "centre"}, "does not follow the photo"},
      {"equivariance", {"random"}, "another photo, other numbers"},
      {"channel order", {"random"}, "another photo, other numbers"},
      {"cost", {"control/*"}, "asks the network nothing"},
      {"NaN containment", {"control/*"}, "sends no sample"},
      {"option layer", {"control/*"}, "knows nothing of the network, whichever value is the input"},

      {"completeness",
       {"saliency", "gradient_x_input", "smoothgrad", "squaregrad", "vargrad", "guided_backprop", "deconvnet",
        "guided_gradcam", "forgrad"},
       "a gradient at points near the input says nothing of the way from a baseline"},
      {"completeness", {"cam/*"}, "weights layer values; adds up to no difference of scores in general"},
      {"completeness",
       {"occlusion", "feature_ablation", "rise", "sobol", "morris", "dgsm", "dgsm_morris", "hsic", "lime"},
       "effects of hiding regions one by one, or shares of a variance: interactions are counted more than once or not"},
      {"completeness", {"internal_influence"}, "a mean gradient, not multiplied with what changes"},
      {"completeness",
       {"attention_rollout", "gradient_rollout", "legrad"},
       "says where attention goes, in its own unit"},
      {"completeness from zero", {"lrp", "attn_lrp", "fullgrad"}, "adds up to the score itself, not to a rise"},
      {"completeness from zero", {"xrai"}, "adds up to the mean of the rises from black and from white"},
      {"completeness from zero", {"blur_ig"}, "the way begins at the blurred photo"},
      {"small gap", {"expected_gradients"}, "zero in expectation only, and the samples of the test are few"},
      {"small gap", {"xrai"}, "it is a share of the rise from white, which is far from the photos of the test"},
      {"small gap", {"lrp", "attn_lrp"}, "biases take a share, which the result states"},

      {"dummy", {"cam/*", "guided_gradcam"}, "reads a layer's units, which hold biases where the input is unused"},
      {"dummy",
       {"conductance", "internal_influence", "layer_ig"},
       "its cells are a layer's, which see beyond the border of what is unused"},
      {"dummy", {"rise"}, "a mean score, not a difference: unused pixels read the mean (tested beside rise)"},
      {"dummy", {"hsic"}, "an estimate of a dependence that cannot be negative: positive where there is none"},
      {"dummy", {"fullgrad"}, "biases have places too, and the terms of dense layers are spread evenly"},
      {"dummy", {"lrp"}, "the rule of the first layer, flat, gives to all inputs alike, by definition"},
      {"dummy", {"xrai"}, "a segment has one value, whatever is unused in it"},
      {"exact dummy", {"lime", "kernel_shap"}, "estimated beside the other regions: zero within the standard error"},

      {"linearity",
       {"saliency", "squaregrad", "vargrad", "forgrad"},
       "absolute values, squares or variances of the gradient"},
      {"linearity", {"guided_backprop", "deconvnet", "guided_gradcam"}, "keeps positive gradients only, by definition"},
      {"linearity",
       {"gradcam_pp", "elementwise_cam", "layercam", "smooth_gradcam_pp", "scorecam", "ss_cam", "is_cam",
        "ablation_cam", "recipro_cam", "eigen_cam", "eigen_gradcam", "fem", "random_cam"},
       "rectifies, normalises or decomposes per target, by definition, or has no target"},
      {"linearity", {"sobol", "morris", "dgsm", "dgsm_morris", "hsic"}, "squares or absolute values of effects"},
      {"linearity", {"guided_ig", "xrai"}, "its path or its segments are chosen by the target's gradient"},
      {"linearity", {"lrp", "attn_lrp"}, "divides by what arrives at each unit, target by target"},
      {"linearity", {"attention_rollout", "gradient_rollout", "legrad"}, "rectified, or without a target"},

      {"invariance",
       {"guided_backprop", "deconvnet", "guided_gradcam"},
       "its rule belongs to the operator Relu, not to the function: declared in its description"},

      {"invariance",
       {"lrp"},
       "its rules belong to operators as they are written; batch normalisation and scales are folded first (tested "
       "there)"},
      {"invariance",
       {"guided_ig"},
       "its path goes by the order of gradients, which rounding decides between equal ones"},
      {"symmetry", {"owen"}, "halves of the image come before halves of the halves: rows and columns are no exchange"},

      {"invariance on the transformer", {"cam"}, "refuses what is no pooling and one linear layer"},

      {"saturation", {"cam"}, "refuses scores that are not linear in the layer, such as probabilities"},

      {"option layer", {"cam"}, "refuses every layer but the one before the pooling"},

      {"shift", {"xrai"}, "segments of a picture are not those of the shifted one"},
      {"shift", {"exact_shapley"}, "16 regions at most: no cell is as small as the shift"},

      {"shift", {"internal_influence"}, "behind a global average the mean gradient is the same at every position"},

      {"constant model", {"eigen_cam", "fem", "random_cam", "control/*"}, "has no target: the score does not enter"},

      {"NaN hidden",
       {"sobol", "morris", "hsic"},
       "fades cells by all levels: one that is shown a little keeps its NaN"},
      {"option relu", {"elementwise_cam"}, "its terms are rectified one by one: their sum is never negative"},
  };
  return table;
}

bool covers(const Exemption& entry, const std::string& name) {
  return std::any_of(entry.methods.begin(), entry.methods.end(), [&](const std::string& method) {
    return method == name || (method.ends_with("/*") && method == info_of(name).family + "/*");
  });
}

std::set<std::tuple<std::string, std::string, std::string>>& asked() {
  static std::set<std::tuple<std::string, std::string, std::string>> asked;
  return asked;
}

class PrintTable : public ::testing::Environment {
 public:
  void TearDown() override {
    std::printf("laws that do not apply, and why:\n");
    for (const auto& [law, name, reason] : asked())
      std::printf("  %-20s %-22s %s\n", law.c_str(), name.c_str(), reason.c_str());
  }
};
[[maybe_unused]] const auto* const print_table = ::testing::AddGlobalTestEnvironment(new PrintTable);

}  // namespace

void note_exemption(const std::string& law, const std::string& name, const std::string& reason) {
  asked().emplace(law, name, reason);
}

std::string exemption(const std::string& law, const std::string& name) {
  for (const Exemption& entry : exemptions())
    if (entry.law == law && covers(entry, name)) {
      note_exemption(law, name, entry.reason);
      return entry.reason;
    }
  return {};
}

}  // namespace vitrail::laws
