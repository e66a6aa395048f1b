// Every option of the registry changes a result: one that is ignored fails here.

#include <gmock/gmock.h>

#include <sstream>

#include "laws/laws.h"

namespace vitrail::laws {
namespace {

/// Where an option shows only beside others, or with values that its type does not tell: the settings of both runs,
/// and values of which one at least must change the result.
struct Context {
  std::vector<std::string> methods;  ///< empty: all
  std::string option;
  Settings both;
  std::vector<std::string> values;
};

const std::vector<Context>& contexts() {
  static const std::vector<Context> table = {
      {{"integrated_gradients"}, "steps", {{"tolerance", "0.9"}}, {"3"}},
      {{"integrated_gradients"}, "max_steps", {{"steps", "2"}, {"tolerance", "0"}}, {"4"}},
      {{"integrated_gradients"}, "tolerance", {{"steps", "1"}, {"tolerance", "0"}}, {"0.9", "0.5"}},
      {{"kernel_shap"}, "tolerance", {{"coalitions", "400"}}, {"0.9", "3"}},
      {{"kernel_shap"}, "top", {{"coalitions", "400"}}, {"1", "2", "3", "4", "5"}},
      {{"lime"}, "tolerance", {{"samples", "400"}}, {"0.9", "3"}},
      {{"lime"}, "top", {{"samples", "4000"}, {"grid", "2"}}, {"1", "2", "3", "4", "5"}},
      {{"rise"}, "tolerance", {{"masks", "400"}}, {"0.9", "3"}},
      {{"rise"}, "top", {{"masks", "4000"}, {"grid", "2"}}, {"1", "2", "3", "4", "5"}},
      {{"hsic"}, "tolerance", {{"designs", "256"}, {"replicates", "32"}, {"grid", "2"}}, {"0.9", "3"}},
      {{"hsic"}, "top", {{"designs", "256"}, {"replicates", "32"}, {"grid", "2"}}, {"1", "2", "3"}},
      {{"owen"}, "evaluations", {{"evaluations", "20"}}, {"40"}},
      {{"lrp"}, "gamma", {{"composite", "gamma"}}, {"0.5", "2"}},
      {{"lrp"}, "rules", {}, {"r1:pass", "c1:gamma", "c2:gamma"}},
      {{"lrp", "attn_lrp"}, "channels", {{"layer", "r1"}}, {"0", "1+2"}},
      {{"lrp", "attn_lrp"}, "layer", {{"channels", "0"}, {"layer", "r1"}}, {"c1", "c2"}},
      {{"shapley"}, "tolerance", {{"permutations", "64"}}, {"0.9", "3"}},
      {{"shapley"}, "top", {{"permutations", "64"}}, {"1", "2", "3", "4", "5"}},
      {{"xrai"}, "divisions", {{"finest", "4"}}, {"1", "2"}},
      {{"xrai"}, "max_steps", {{"steps", "2"}, {"tolerance", "0"}}, {"4"}},
      {{"internal_influence", "layer_ig"}, "steps", {{"layer", "r1"}}, {"3"}},  // the last layer's rest is linear
      {{"internal_influence"}, "baseline", {{"layer", "r1"}}, {"200", "mean"}},
      {{"internal_influence"}, "forgrad", {{"layer", "r1"}}, {"0.3", "3"}},
      {{}, "tolerance", {{"replicates", "16"}}, {"0.9", "3"}},
      {{}, "top", {{"replicates", "64"}, {"designs", "8"}, {"grid", "2"}}, {"1", "2", "3", "4"}},
      {{"occlusion"}, "normalise_coverage", {{"stride", "2"}}, {"true"}},
      {{"smooth_gradcam_pp"}, "samples", {{"layer", "r1"}}, {"16"}},  // as above
      {{"smooth_gradcam_pp"}, "noise", {{"layer", "r1"}}, {"0.3"}},
      {{"smooth_gradcam_pp"}, "seed", {{"layer", "r1"}}, {"2"}},
      {{"cam"}, "relu", {}, {"false"}},
      {{}, "relu", {{"layer", "c2_norm"}}, {"false"}},
      {{}, "baseline", {}, {"200", "mean", "blur:2"}},
      {{}, "regions", {}, {"slic"}},
      {{}, "seed", {}, {"2"}},
      {{}, "smoothing", {}, {"0.2"}},
      {{}, "keep", {}, {"0.3"}},
  };
  return table;
}

std::vector<std::string> words_of(const std::string& type) {
  std::vector<std::string> words;
  std::istringstream text(type);
  for (std::string word; std::getline(text, word, '|');) words.push_back(word);
  return words;
}

/// Other values of the option, by its type, where no context names any.
std::vector<std::string> other_values(const OptionInfo& option, const std::string& method, const std::string& current) {
  if (option.name == "layer") {
    std::vector<std::string> layers;
    Target target;
    target.index = 0;
    for (const LayerInfo& layer : subject(method).probe({target})->spatial_layers()) layers.push_back(layer.name);
    return layers;
  }
  if (option.type == "flag") return {current == "true" ? "false" : "true"};
  if (option.type == "integer") {
    const long long number = std::stoll(current);
    return {std::to_string(number * 2), std::to_string(number + 1), std::to_string(number / 2)};
  }
  if (option.type == "number") {
    const double number = std::stod(current);
    return {std::to_string(number / 2), std::to_string(number * 2), "0.3", "0"};
  }
  return words_of(option.type);
}

class Options : public Law {};
INSTANTIATE_TEST_SUITE_P(Methods, Options, ::testing::ValuesIn(names()), test_name);

/// What the canonical text of the method says of the option.
std::string current_value(const std::string& method, const std::string& option) {
  const std::string canonical = parse_method(method)->canonical();
  std::istringstream text(canonical.substr(canonical.find(':') + 1));
  for (std::string piece; std::getline(text, piece, ',');)
    if (piece.starts_with(option + "=")) return piece.substr(option.size() + 1);
  return {};
}

TEST_P(Options, EachChangesAResult) {
  for (const OptionInfo& option : info().options) {
    SCOPED_TRACE(option.name);
    if (const std::string reason = exemption("option " + option.name, name()); !reason.empty()) continue;
    const auto context = std::find_if(contexts().begin(), contexts().end(), [&](const Context& c) {
      return c.option == option.name &&
             (c.methods.empty() || std::find(c.methods.begin(), c.methods.end(), name()) != c.methods.end());
    });
    const Settings both = context == contexts().end() ? Settings{} : context->both;
    const std::string current = current_value(method(both), option.name);
    const auto values = context == contexts().end() ? other_values(option, name(), current) : context->values;
    const Explanation usual = run(both)[0];
    std::string tried;
    bool changed = false;
    for (const std::string& value : values) {
      if (value == current) continue;
      Settings settings = both;
      settings[option.name] = value;
      try {
        changed = changed || !same(usual, run(settings)[0]);
        tried += " " + value;
      } catch (const UsageError& error) {
        tried += " " + value + " (refused: " + error.what() + ")";
      }
    }
    EXPECT_TRUE(changed) << option.name << " is " << current << "; no change by" << tried;
  }
}

// Of an option whose values are words, every word is another result.
TEST_P(Options, EveryWordIsAnother) {
  for (const OptionInfo& option : info().options) {
    if (option.type.find('|') == std::string::npos) continue;
    if (!exemption("option " + option.name, name()).empty()) continue;
    SCOPED_TRACE(option.name);
    std::vector<std::pair<std::string, Explanation>> results;
    for (const std::string& word : words_of(option.type)) {
      if (!exemption("word " + option.name + "=" + word, name()).empty()) continue;
      Explanation result;
      try {
        result = run({{option.name, word}})[0];
      } catch (const UsageError&) {
        continue;  // does not go with the other settings: said by the error, tested beside the method
      }
      for (const auto& [other, known] : results)
        EXPECT_FALSE(same(result, known)) << word << " is the same as " << other;
      results.emplace_back(word, std::move(result));
    }
    EXPECT_GE(results.size(), 2U);
  }
}

TEST_P(Options, TheDescriptionIsWhole) {
  EXPECT_FALSE(info().summary.empty());
  EXPECT_FALSE(info().cost.empty());
  EXPECT_FALSE(info().guarantees.empty());
  EXPECT_FALSE(info().source.empty());
  EXPECT_FALSE(info().unit.empty());
  for (const OptionInfo& option : info().options) {
    EXPECT_FALSE(option.description.empty()) << option.name;
    EXPECT_NO_THROW(parse_method(name() + ":" + option.name + "=" + option.default_value)) << option.name;
  }
}

}  // namespace
}  // namespace vitrail::laws
