// Method strings: what they mean, and what is said of those that mean nothing.

#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/method.h>

#include <map>
#include <string>
#include <vector>

#include "attribution/options.h"

namespace vitrail {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    parse_methods(text);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Methods, AreListedInTheOrderOfTheDocumentation) {
  std::vector<std::string> names;
  for (const MethodInfo& info : methods()) names.push_back(info.name);
  EXPECT_THAT(
      names,
      ElementsAre("saliency", "gradient_x_input", "integrated_gradients", "guided_ig", "blur_ig", "xrai", "smoothgrad",
                  "squaregrad", "vargrad", "expected_gradients", "fullgrad", "guided_backprop", "deconvnet",
                  "guided_gradcam", "conductance", "internal_influence", "layer_ig", "gradcam", "gradcam_pp",
                  "smooth_gradcam_pp", "cam", "hirescam", "elementwise_cam", "layercam", "xgradcam", "shapley_cam",
                  "eigen_cam", "eigen_gradcam", "fem", "random_cam", "scorecam", "ss_cam", "is_cam", "ablation_cam",
                  "recipro_cam", "lrp", "attn_lrp", "deeplift", "attention_rollout", "gradient_rollout", "legrad",
                  "occlusion", "feature_ablation", "rise", "lime", "kernel_shap", "shapley", "exact_shapley", "owen",
                  "sobol", "hsic", "morris", "dgsm", "dgsm_morris", "random", "edges", "centre"));
}

TEST(Methods, DescribeThemselves) {
  for (const MethodInfo& info : methods()) {
    for (const std::string& text : {info.summary, info.formula, info.cost, info.guarantees, info.source, info.unit})
      EXPECT_FALSE(text.empty()) << info.name;
    for (const OptionInfo& option : info.options)
      for (const std::string& text : {option.name, option.type, option.default_value, option.description})
        EXPECT_FALSE(text.empty()) << info.name << " " << option.name;
  }
}

TEST(Methods, FormulasAreOneLineOfPlainText) {
  for (const MethodInfo& info : methods())
    EXPECT_EQ(info.formula.find_first_of("\n\\$`"), std::string::npos) << info.name;
}

TEST(MethodLists, AllStandsForTheMethodsThatAreNotNamed) {
  const auto names = [](const std::string& text) {
    std::vector<std::string> list;
    for (const auto& method : parse_methods(text, 7)) list.push_back(method->info().name);
    return list;
  };
  const std::vector<std::string> all = names("all");
  const std::size_t controls = 3;
  EXPECT_EQ(all.size(), methods().size() - controls) << "controls are asked for by name";
  std::vector<std::string> mixed = names("sobol:grid=3,all");
  EXPECT_EQ(mixed.size(), all.size()) << "each once";
  EXPECT_EQ(mixed[0], "sobol");
  EXPECT_EQ(names("all,sobol:grid=3").back(), "sobol");
  EXPECT_EQ(names("all,ig:steps=4").back(), "integrated_gradients") << "an alias names the same method";
  EXPECT_THAT(parse_methods("all,sobol:grid=3").back()->canonical(), HasSubstr("grid=3"));
  EXPECT_TRUE(asks_for_all_methods("saliency,all"));
  EXPECT_FALSE(asks_for_all_methods("saliency"));
  EXPECT_THAT(error_of("all,all"), HasSubstr("once"));
  EXPECT_THAT(error_of("all:grid=3"), HasSubstr("no options"));
}

/// Every method with every option at another value than its default, in canonical form.
class MethodString : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(
    AllOptions, MethodString,
    testing::Values("saliency:forgrad=15,layer=layer3,reducer=mean",
                    "gradient_x_input:forgrad=1.5,layer=layer3,reducer=sum",
                    "integrated_gradients:baseline=127.5,forgrad=15,layer=layer3,max_steps=64,"
                    "steps=4,tolerance=0.001",
                    "guided_ig:baseline=black,forgrad=15,fraction=0.1,layer=layer3,"
                    "max_distance=0.5,steps=20",
                    "blur_ig:forgrad=15,layer=layer3,sigma=20,steps=20",
                    "xrai:divisions=3,finest=8,forgrad=15,layer=layer3,max_steps=64,steps=4,"
                    "tolerance=0.1",
                    "smoothgrad:forgrad=15,layer=layer3,noise=0.1,reducer=max,samples=9,"
                    "seed=18446744073709551615",
                    "fullgrad:forgrad=15,terms=paper", "conductance:baseline=mean,forgrad=15,layer=layer3,steps=20",
                    "gradcam:augment=true,layer=layer4.1/Conv:0,principal=true,relu=false",
                    "lrp:biases=false,channels=3+17,composite=excitation_backprop,epsilon=0.01,"
                    "gamma=0.5,layer=layer4.1,rules=conv1:zbox+fc:zplus",
                    "attn_lrp:biases=false,channels=1,epsilon=0.01,gamma=0.5,layer=blocks.3", "deeplift:baseline=black",
                    "attention_rollout:heads=max,residual=0.25", "gradient_rollout:heads=min", "legrad:heads=max",
                    "occlusion:baseline=mean,layer=layer3,normalise_coverage=true,patch=7,stride=3",
                    "rise:antithetic=true,baseline=black,grid=5,keep=0.25,layer=layer3,masks=30,readout=mean,seed=2,"
                    "tolerance=0.1,top=3",
                    "feature_ablation:baseline=black,grid=5,layer=layer3,regions=slic",
                    "lime:antithetic=true,baseline=black,grid=5,keep=0.25,layer=layer3,regions=slic,ridge=2,samples=30,"
                    "seed=2,tolerance=0.1,top=3,width=0.3",
                    "kernel_shap:baseline=black,coalitions=30,grid=5,layer=layer3,paired=false,regions=slic,ridge="
                    "false,seed=2,sizes=kernel,tolerance=0.1,top=3",
                    "shapley:antithetic=false,baseline=black,grid=5,layer=layer3,permutations=30,regions=slic,seed=2,"
                    "tolerance=0.1,top=3",
                    "exact_shapley:baseline=black,grid=2,layer=layer3,regions=slic",
                    "owen:baseline=black,evaluations=30,grid=5,layer=layer3,regions=slic",
                    "hsic:baseline=black,designs=4,grid=5,layer=layer3,readout=regression,regions=slic,replicates=2,"
                    "sampler=owen,seed=4,tolerance=0.1,top=3,width=median_output",
                    "sobol:baseline=black,designs=4,estimator=janon,grid=3,layer=layer3,operation=amplitude,"
                    "regions=slic,replicates=2,sampler=owen,seed=4,tolerance=0.1,top=3",
                    "morris:baseline=blur:4,designs=8,grid=3,layer=layer3,operation=amplitude_legacy,"
                    "regions=slic,replicates=2,sampler=halton,seed=4,smoothing=0.2,tolerance=0.1,"
                    "top=3",
                    "dgsm:baseline=noise:3,grid=3,layer=layer3,operation=amplitude,regions=slic,replicates=2,"
                    "sampler=lhs,samples=8,seed=4,signed_mean=true,smoothing=0.2,tolerance=0.1,"
                    "top=3",
                    "dgsm_morris:baseline=white,designs=3,grid=3,layer=layer3,operation=amplitude,regions=slic,"
                    "replicates=2,samples=8,seed=4,smoothing=0.2"));

TEST_P(MethodString, CanonicalFormParsesBackToItself) {
  const auto method = parse_method(GetParam());
  EXPECT_EQ(method->canonical(), GetParam());
  const std::string defaults = parse_method(method->info().name)->canonical();
  for (const OptionInfo& option : method->info().options) {
    const std::string as_default = option.name + "=" + option.default_value;
    EXPECT_THAT(defaults, HasSubstr(as_default));
    EXPECT_EQ((std::string(GetParam()) + ",").find(as_default + ","), std::string::npos)
        << option.name << " is at its default: the test shows nothing";
  }
  EXPECT_EQ(parse_method(defaults)->canonical(), defaults);
}

TEST(MethodStrings, AListIsSplitWhereMethodsBegin) {
  const auto parsed = parse_methods("sobol:grid=4,designs=16,rise:masks=20,saliency");
  ASSERT_EQ(parsed.size(), 3u);
  EXPECT_THAT(parsed[0]->canonical(), AllOf(HasSubstr("sobol:"), HasSubstr("grid=4"), HasSubstr("designs=16")));
  EXPECT_THAT(parsed[1]->canonical(), AllOf(HasSubstr("rise:"), HasSubstr("masks=20")));
  EXPECT_EQ(parsed[2]->canonical(), "saliency:forgrad=0,layer=input,reducer=max");
}

TEST(MethodStrings, AliasesNameTheMethod) {
  EXPECT_EQ(parse_method("ig:steps=4")->info().name, "integrated_gradients");
  EXPECT_THAT(parse_method("ig:steps=4")->canonical(), HasSubstr("integrated_gradients:baseline=zero"));
}

TEST(MethodStrings, OneSeedServesThoseThatDrawAndNameNone) {
  const auto parsed = parse_methods("saliency,smoothgrad,smoothgrad:seed=3", 9);
  EXPECT_EQ(parsed[0]->canonical(), "saliency:forgrad=0,layer=input,reducer=max");
  EXPECT_THAT(parsed[1]->canonical(), HasSubstr("seed=9"));
  EXPECT_THAT(parsed[2]->canonical(), HasSubstr("seed=3"));
}

TEST(MethodStrings, NumbersKeepTheirShortestForm) {
  EXPECT_THAT(parse_method("smoothgrad:noise=1e-1")->canonical(), HasSubstr("noise=0.1,"));
  EXPECT_THAT(parse_method("ig:baseline=255.0")->canonical(), HasSubstr("baseline=255,"));
}

TEST(MethodStrings, MistakesAreExplained) {
  const std::map<std::string, std::vector<std::string>> expected = {
      {"sobl", {"Unknown method \"sobl\"", "Known: saliency, gradient_x_input", "Did you mean \"sobol\"?"}},
      {"", {"Unknown method \"\""}},
      {"sobol:gird=8",
       {"sobol has no option \"gird\"", "Known: baseline, designs, estimator, grid", "Did you mean \"grid\"?"}},
      {"smoothgrad:samples=many", {"found samples=many", "expected a whole number"}},
      {"smoothgrad:samples=5x", {"found samples=5x", "expected a whole number"}},
      {"smoothgrad:samples=0", {"found samples=0", "expected at least 1"}},
      {"smoothgrad:noise=nan", {"found noise=nan", "expected"}},
      {"smoothgrad:noise=-0.5", {"found noise=-0.5", "expected at least 0"}},
      {"smoothgrad:seed=-1", {"found seed=-1", "expected a whole number from 0"}},
      {"smoothgrad:seed=1,seed=2", {"given twice"}},
      {"gradcam:relu=yes", {"found relu=yes", "true or false"}},
      {"gradcam:layer=", {"found layer=", "expected"}},
      {"saliency:reducer=average", {"found reducer=average", "min, mean, max, sum"}},
      {"sobol:sampler=lsh", {"Did you mean \"lhs\"?"}},
      {"ig:baseline=blak", {"Unknown baseline \"blak\"", "Did you mean \"black\"?"}},
      {"ig:baseline=300", {"300", "between 0 and 255"}},
      {"sobol:grid", {"\"grid\"", "key=value"}},
      {"grid=8", {"begins with an option"}},
  };
  for (const auto& [text, words] : expected)
    for (const std::string& word : words) EXPECT_THAT(error_of(text), HasSubstr(word)) << text;
}

TEST(MethodStrings, OneMethodMeansOne) { EXPECT_THROW(parse_method("saliency,sobol"), UsageError); }

TEST(Constraints, HoldAtTheirEnds) {
  EXPECT_TRUE(at_least(2).holds(2));
  EXPECT_FALSE(at_least(2).holds(1.999));
  EXPECT_TRUE(between(0, 1).holds(1));
  EXPECT_FALSE(between(0, 1).holds(1.001));
  EXPECT_FALSE(positive().holds(0));
}

}  // namespace
}  // namespace vitrail
