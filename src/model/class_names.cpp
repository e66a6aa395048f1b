#include "model/class_names.h"

#include <ATen/ops/topk.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "model/target_syntax.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

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
int64_t class_of_rank(int64_t rank, const Tensor& scores) {
  if (rank < 1 || rank > scores.numel())
    throw UsageError("'top" + std::to_string(rank) + "' does not exist: the model has " +
                     std::to_string(scores.numel()) + " classes.");
  return std::get<1>(at::topk(scores.flatten(), rank))[rank - 1].item<int64_t>();
}

}  // namespace

int64_t find_class(const std::string& name, const Tensor& scores, const std::vector<std::string>& labels) {
  const int64_t classes = scores.numel();
  if (auto index = whole_number(name)) {
    if (*index >= classes)
      throw UsageError("class " + name + " does not exist: the model has " + std::to_string(classes) +
                       " classes, 0 to " + std::to_string(classes - 1) + ".");
    return *index;
  }
  if (auto rank = rank_of(name)) return class_of_rank(*rank, scores);
  if (labels.empty())
    throw UsageError("the target '" + name +
                     "' looks like a label, but the model has no labels. Use a class index, or give "
                     "labels in the sidecar JSON. " +
                     kTargetForms);
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
  return index >= 0 && index < static_cast<int64_t>(labels.size()) ? labels[index] : "";
}

}  // namespace vitrail
