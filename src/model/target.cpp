#include "vitrail/target.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/text.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

constexpr int64_t kMostTargets = 1000;
const std::string kForms = "Expected top1, topK, a class index, a label, logit:T, prob:T or A-vs-B.";

/// A target string taken apart; names are not looked up yet.
struct Syntax {
  TargetUnit unit = TargetUnit::logit;
  std::optional<int64_t> top;
  std::string first, second;  ///< a class by index or label; `second` only for contrasts
};

std::optional<int64_t> whole_number(const std::string& text) {
  if (text.empty() || text.size() > 9 ||
      !std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); }))
    return std::nullopt;
  return std::stoll(text);
}

std::optional<int64_t> rank_of(const std::string& name) {
  return name.starts_with("top") ? whole_number(name.substr(3)) : std::nullopt;
}

Syntax parse(const std::string& string) {
  Syntax syntax;
  std::string rest = string;
  if (rest.starts_with("logit:")) {
    rest = rest.substr(6);
  } else if (rest.starts_with("prob:")) {
    syntax.unit = TargetUnit::probability;
    rest = rest.substr(5);
  }
  if (rest.empty()) throw UsageError("the target '" + string + "' names no class. " + kForms);
  if (auto count = rank_of(rest)) {
    if (*count < 1 || *count > kMostTargets)
      throw UsageError("the target '" + string + "' asks for " + std::to_string(*count) + " classes; expected 1 to " +
                       std::to_string(kMostTargets) + ".");
    syntax.top = count;
    return syntax;
  }
  const size_t versus = rest.find("-vs-");
  syntax.first = rest.substr(0, versus);
  if (versus != std::string::npos) {
    syntax.second = rest.substr(versus + 4);
    if (syntax.first.empty() || syntax.second.empty())
      throw UsageError("the contrast '" + string + "' needs a class on both sides, e.g. 282-vs-285.");
    if (syntax.unit == TargetUnit::probability)
      throw UsageError("the target '" + string +
                       "' is a contrast of probabilities; contrasts are of logits: leave out 'prob:'.");
  }
  return syntax;
}

/// Lower case, underscores as spaces, no blanks at the ends.
std::string normalise(const std::string& label) {
  std::string result;
  for (unsigned char c : label) result += c == '_' ? ' ' : static_cast<char>(std::tolower(c));
  const size_t begin = result.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return {};
  return result.substr(begin, result.find_last_not_of(" \t\r\n") - begin + 1);
}

bool names_class(const std::string& wanted, const std::string& label) {
  if (normalise(label) == wanted) return true;
  for (size_t begin = 0; begin <= label.size();) {
    size_t end = std::min(label.find(',', begin), label.size());
    if (normalise(label.substr(begin, end - begin)) == wanted) return true;
    begin = end + 1;
  }
  return false;
}

/// The class of rank 1, 2, ... by logit.
int64_t class_of_rank(int64_t rank, const Tensor& logits) {
  if (rank < 1 || rank > logits.numel())
    throw UsageError("'top" + std::to_string(rank) + "' does not exist: the model has " +
                     std::to_string(logits.numel()) + " classes.");
  return std::get<1>(at::topk(logits.flatten(), rank))[rank - 1].item<int64_t>();
}

int64_t find_class(const std::string& name, const Tensor& logits, const std::vector<std::string>& labels) {
  const int64_t classes = logits.numel();
  if (auto index = whole_number(name)) {
    if (*index >= classes)
      throw UsageError("class " + name + " does not exist: the model has " + std::to_string(classes) +
                       " classes, 0 to " + std::to_string(classes - 1) + ".");
    return *index;
  }
  if (auto rank = rank_of(name)) return class_of_rank(*rank, logits);
  if (labels.empty())
    throw UsageError("the target '" + name +
                     "' looks like a label, but the model has no labels. Use a class index, or give "
                     "labels in the sidecar JSON. " +
                     kForms);
  std::vector<int64_t> found;
  for (size_t i = 0; i < labels.size(); ++i)
    if (names_class(normalise(name), labels[i])) found.push_back(static_cast<int64_t>(i));
  if (found.empty()) throw UsageError("the model has no class '" + name + "'. " + did_you_mean(name, labels));
  if (found.size() > 1) {
    std::string list;
    for (int64_t index : found) list += (list.empty() ? "" : ", ") + std::to_string(index) + " (" + labels[index] + ")";
    throw UsageError("the label '" + name + "' names several classes: " + list + ". Use the index.");
  }
  return found.front();
}

std::string label_of(int64_t index, const std::vector<std::string>& labels) {
  return index < static_cast<int64_t>(labels.size()) ? labels[index] : "";
}

}  // namespace

std::string Target::slug() const {
  std::string text = unit == TargetUnit::probability ? "prob-" : "";
  text += std::to_string(index);
  if (versus >= 0) text += "-vs-" + std::to_string(versus);
  return text;
}

std::string Target::title() const { return label.empty() ? "class " + slug() : label + " (" + slug() + ")"; }

void check_target_syntax(const std::string& string) { parse(string); }

std::vector<Target> resolve_targets(std::span<const std::string> strings, const Tensor& logits,
                                    const std::vector<std::string>& labels) {
  const int64_t classes = logits.numel();
  std::vector<Target> targets;
  for (const std::string& string : strings) {
    const Syntax syntax = parse(string);
    Target target;
    target.string = string;
    target.unit = syntax.unit;
    if (syntax.top) {
      if (*syntax.top > classes)
        throw UsageError("the target '" + string + "' asks for more classes than the model has (" +
                         std::to_string(classes) + ").");
      Tensor best = std::get<1>(at::topk(logits.reshape({-1}), *syntax.top));
      for (int64_t rank = 0; rank < *syntax.top; ++rank) {
        target.index = best[rank].item<int64_t>();
        target.label = label_of(target.index, labels);
        targets.push_back(target);
      }
      continue;
    }
    target.index = find_class(syntax.first, logits, labels);
    target.label = label_of(target.index, labels);
    if (!syntax.second.empty()) {
      target.versus = find_class(syntax.second, logits, labels);
      if (target.versus == target.index)
        throw UsageError("the contrast '" + string + "' compares class " + std::to_string(target.index) +
                         " with itself.");
      if (!target.label.empty()) target.label += " vs " + label_of(target.versus, labels);
    }
    targets.push_back(target);
  }
  return targets;
}

Tensor target_scores(const Tensor& logits, std::span<const Target> targets) {
  Tensor probabilities;
  Tensors columns;
  for (const Target& target : targets) {
    if (target.unit == TargetUnit::probability) {
      if (!probabilities.defined()) probabilities = at::softmax(logits, 1);
      columns.push_back(probabilities.select(1, target.index));
    } else if (target.versus >= 0) {
      columns.push_back(logits.select(1, target.index) - logits.select(1, target.versus));
    } else {
      columns.push_back(logits.select(1, target.index));
    }
  }
  return at::stack(columns, 1);
}

}  // namespace vitrail
