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
      {"completeness",
       {"saliency", "gradient_x_input", "smoothgrad", "squaregrad", "vargrad", "guided_backprop", "deconvnet",
        "guided_gradcam"},
       "a gradient at points near the input says nothing of the way from a baseline"},
      {"completeness", {"cam/*"}, "weights layer values; adds up to no difference of scores in general"},
      {"completeness",
       {"occlusion", "rise", "sobol", "morris", "dgsm", "dgsm_morris", "hsic", "lime"},
       "effects of hiding regions one by one, or shares of a variance: interactions are counted more than once or not "
       "at all"},
      {"dummy", {"cam/*", "guided_gradcam"}, "reads a layer's units, which hold biases where the input is unused"},
      {"dummy", {"rise"}, "a mean score, not a difference: unused pixels read the mean (tested beside rise)"},
      {"linearity", {"saliency", "squaregrad", "vargrad"}, "absolute values, squares or variances of the gradient"},
      {"linearity", {"guided_backprop", "deconvnet", "guided_gradcam"}, "keeps positive gradients only, by definition"},
      {"linearity",
       {"gradcam_pp", "elementwise_cam", "layercam", "smooth_gradcam_pp", "scorecam", "ss_cam", "is_cam",
        "ablation_cam", "recipro_cam", "eigen_cam", "eigen_gradcam", "fem", "random_cam"},
       "rectifies, normalises or decomposes per target, by definition"},
      {"linearity", {"sobol", "morris", "dgsm", "dgsm_morris", "hsic"}, "squares or absolute values of effects"},
      {"invariance",
       {"guided_backprop", "deconvnet", "guided_gradcam"},
       "its rule belongs to the operator Relu, not to the function: declared in its description"},
      {"small gap", {"expected_gradients"}, "the gap is zero in expectation only, and the samples of the test are few"},
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
