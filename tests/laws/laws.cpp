#include "laws/laws.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/maximum.h>

#include <algorithm>
#include <utility>

namespace vitrail::laws {

namespace {

const std::vector<MethodInfo>& registry() {
  static const std::vector<MethodInfo> registry = vitrail::methods();
  return registry;
}

// What keeps a run cheap, by the option's name: the same word means the same in every method.
const Settings& cheap_settings() {
  static const Settings settings = {
      {"grid", "4"},         {"designs", "4"},      {"replicates", "3"},  {"samples", "32"}, {"masks", "60"},
      {"steps", "8"},        {"max_steps", "32"},   {"patch", "3"},       {"stride", "3"},   {"coalitions", "60"},
      {"permutations", "6"}, {"evaluations", "40"}, {"iterations", "20"},
  };
  return settings;
}

// Where the word would be too much or too little for a method.
const std::map<std::string, Settings>& own_settings() {
  static const std::map<std::string, Settings> settings = {
      {"exact_shapley", {{"grid", "3"}}},  {"dgsm", {{"samples", "8"}}},
      {"fem", {{"deviations", "0.5"}}},     // few positions are rare among 36
      {"owen", {{"evaluations", "9999"}}},  // all of its tree
      {"is_cam", {{"samples", "4"}}},      {"dgsm_morris", {{"designs", "2"}, {"samples", "4"}}},
  };
  return settings;
}

}  // namespace

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const MethodInfo& info : registry()) names.push_back(info.name);
  return names;
}

const MethodInfo& info_of(const std::string& name) {
  return *std::find_if(registry().begin(), registry().end(), [&](const auto& info) { return info.name == name; });
}

bool has_option(const std::string& name, const std::string& option) {
  const auto& options = info_of(name).options;
  return std::any_of(options.begin(), options.end(), [&](const auto& info) { return info.name == option; });
}

std::string cheap(const std::string& name, const Settings& extra) {
  Settings settings = cheap_settings();
  if (const auto own = own_settings().find(name); own != own_settings().end())
    for (const auto& [key, value] : own->second) settings[key] = value;
  for (const auto& [key, value] : extra) settings[key] = value;
  std::string text = name, separator = ":";
  for (const auto& [key, value] : settings)
    if (has_option(name, key)) text += std::exchange(separator, ",") + key + "=" + value;
  return text;
}

std::vector<Explanation> explain(const std::string& method, const Model& model, const Tensor& inputs,
                                 const std::vector<int64_t>& indices, const Execution& execution) {
  std::vector<Target> targets;
  for (const int64_t index : indices) {
    Target target;
    target.string = std::to_string(index);
    target.index = index;
    targets.push_back(target);
  }
  const auto probe = model.probe(targets);
  return parse_method(method)->explain(*probe, inputs, execution);
}

bool reads_attention(const std::string& name) {
  static std::map<std::string, bool> known;
  if (const auto found = known.find(name); found != known.end()) return found->second;
  bool refused = false;
  try {
    explain(cheap(name), cnn(), photo());
  } catch (const UsageError&) {
    refused = true;
  }
  return known[name] = refused;
}

const Model& subject(const std::string& name) {
  static const Model convolutional = cnn(), transformer = vit();
  return reads_attention(name) ? transformer : convolutional;
}

Execution batch_of(int64_t batch) {
  Execution execution;
  execution.batch = batch;
  return execution;
}

double difference(const Tensor& a, const Tensor& b) {
  const double range = (a.max() - a.min()).item<double>(), largest = (a - b).abs().max().item<double>();
  return largest == 0 ? 0 : largest / std::max(range, 1e-30);
}

bool same(const Explanation& a, const Explanation& b) {
  const auto equal = [](const Tensor& x, const Tensor& y) {
    return x.defined() == y.defined() && (!x.defined() || (x.sizes() == y.sizes() && at::equal(x, y)));
  };
  if (!equal(a.map, b.map) || !equal(a.cells, b.cells) || !equal(a.standard_error, b.standard_error)) return false;
  for (const auto& [name, tensor] : a.extras)
    if (const auto found = b.extras.find(name); found == b.extras.end() || !equal(tensor, found->second)) return false;
  return true;
}

void expect_equal_maps(const Explanation& a, const Explanation& b, const Tensor& transformed,
                       const Tensor& transformed_error, double tolerance) {
  ASSERT_EQ(a.map.sizes(), transformed.sizes());
  if (difference(a.map, transformed) <= tolerance) return;
  if (!a.standard_error.defined() || !b.standard_error.defined()) {
    EXPECT_LE(difference(a.map, transformed), tolerance) << "of the map's range";
    return;
  }
  // Few replicates make wide tails: eight standard errors of the difference.
  const Tensor error = (a.standard_error.square() + transformed_error.square()).sqrt();
  const double floor = 1e-5 * (a.map.max() - a.map.min()).item<double>();
  EXPECT_LE(((a.map - transformed).abs() / (error + floor)).max().item<double>(), 8) << "standard errors";
}

}  // namespace vitrail::laws
