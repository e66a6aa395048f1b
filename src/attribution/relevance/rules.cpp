#include "attribution/relevance/rules.h"

#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <vitrail/error.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"
#include "ops/weighted_relevance.h"

namespace vitrail {

namespace {

using Kind = LayerRule::Kind;
using Node = RelevanceGraph::Node;

/// Rules of a composite by place.
struct Places {
  Kind first, convolution, dense;
};

Places places_of(Composite composite) {
  switch (composite) {
    case Composite::epsilon:
      return {Kind::epsilon, Kind::epsilon, Kind::epsilon};
    case Composite::gamma:
      return {Kind::gamma, Kind::gamma, Kind::gamma};
    case Composite::epsilon_gamma_box:
      return {Kind::zbox, Kind::gamma, Kind::epsilon};
    case Composite::epsilon_plus:
      return {Kind::zplus, Kind::zplus, Kind::epsilon};
    case Composite::epsilon_plus_flat:
      return {Kind::flat, Kind::zplus, Kind::epsilon};
    case Composite::epsilon_alpha2_beta1:
      return {Kind::alpha_beta, Kind::alpha_beta, Kind::epsilon};
    case Composite::epsilon_alpha2_beta1_flat:
      return {Kind::flat, Kind::alpha_beta, Kind::epsilon};
    case Composite::excitation_backprop:
      return {Kind::zplus, Kind::zplus, Kind::zplus};
  }
  VITRAIL_CHECK(false, "unknown composite");
  return {};
}

/// A rule as a word; the options give what the word leaves open.
LayerRule rule_named(const std::string& word, const LayerRule& open) {
  LayerRule rule = open;
  const std::vector<std::pair<std::string, Kind>> plain = {
      {"epsilon", Kind::epsilon}, {"gamma", Kind::gamma},
      {"zplus", Kind::zplus},     {"alpha2_beta1", Kind::alpha_beta},
      {"zbox", Kind::zbox},       {"wsquare", Kind::wsquare},
      {"flat", Kind::flat},       {"pass", Kind::pass}};
  std::vector<std::string> words = {"zero", "norm", "alpha1_beta0"};
  for (const auto& [name, kind] : plain) {
    rule.kind = kind;
    if (name == word) return rule;
    words.push_back(name);
  }
  if (word == "zero") {
    rule.kind = Kind::epsilon;
    rule.epsilon = 0;
  } else if (word == "norm") {
    rule.kind = Kind::epsilon;
    rule.biases = false;
  } else if (word == "alpha1_beta0") {
    rule.kind = Kind::alpha_beta;
    rule.alpha = 1;
    rule.beta = 0;
  } else {
    throw UsageError("Unknown rule \"" + word + "\". " + did_you_mean(word, words));
  }
  return rule;
}

bool stands_for(const Node& node, int value) {
  return std::count(node.outputs.begin(), node.outputs.end(), value) +
             std::count(node.merged.begin(), node.merged.end(), value) >
         0;
}

}  // namespace

RuleBook::RuleBook(const RelevanceGraph& graph, const LrpOptions& options) : options_(options) {
  for (const Node& node : graph.nodes())
    if (node.weighted) weighted_.push_back(&node);
  if (options.rules == "none") return;
  LayerRule open;
  open.epsilon = options.epsilon;
  open.gamma = options.gamma;
  open.biases = options.biases;
  for (size_t begin = 0; begin <= options.rules.size();) {
    const size_t end = std::min(options.rules.find('+', begin), options.rules.size());
    const std::string item = options.rules.substr(begin, end - begin);
    const size_t colon = item.rfind(':');
    if (colon == std::string::npos)
      throw UsageError("rules: found \"" + item + "\"; expected LAYER:RULE, as in conv1:gamma+fc:zplus.");
    const int value = graph.find(item.substr(0, colon));
    const auto found =
        std::find_if(weighted_.begin(), weighted_.end(), [&](const Node* node) { return stands_for(*node, value); });
    if (found == weighted_.end())
      throw UsageError("rules: the layer '" + item.substr(0, colon) +
                       "' has no weights; rules are for convolutions and dense layers.");
    by_name_.insert_or_assign((*found)->outputs, rule_named(item.substr(colon + 1), open));
    begin = end + 1;
  }
}

LayerRule::Kind RuleBook::kind_of(const Node& node) const {
  const Places places = places_of(options_.composite);
  if (node.first) return places.first;
  return node.dense ? places.dense : places.convolution;
}

LayerRule RuleBook::operator()(const Node& node) const {
  LayerRule rule;
  const auto named = by_name_.find(node.outputs);
  if (named != by_name_.end()) {
    rule = named->second;
  } else {
    rule.epsilon = options_.epsilon;
    rule.gamma = options_.gamma;
    rule.biases = options_.biases && options_.composite != Composite::excitation_backprop;
    if (node.weighted) rule.kind = kind_of(node);
  }
  if (const auto box = boxes_.find(node.inputs); box != boxes_.end()) std::tie(rule.low, rule.high) = box->second;
  return rule;
}

bool RuleBook::needs_box() const {
  return std::any_of(weighted_.begin(), weighted_.end(),
                     [&](const Node* node) { return (*this)(*node).kind == Kind::zbox; });
}

void RuleBook::set_box(const RelevanceGraph& graph, const Tensors& black, const Tensors& white) {
  for (const Node* node : weighted_) {
    if ((*this)(*node).kind != Kind::zbox) continue;
    if (!node->first)
      throw UsageError("zbox needs a layer that sees the pixels, and " + node->title +
                       " lies behind others. Take gamma or zplus.");
    const Tensor a = graph.inputs_of(*node, black)[0], b = graph.inputs_of(*node, white)[0];
    boxes_.insert_or_assign(node->inputs, std::pair(at::minimum(a, b), at::maximum(a, b)));
  }
}

}  // namespace vitrail
