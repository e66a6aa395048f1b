#pragma once

// Targets: the scalar being explained.
//
//   top1          the predicted class (default); topK: the K best, K targets
//   281           a class by index; "tabby cat" by label or one of its comma-separated names
//   logit:T       the same, said explicitly
//   prob:T        its probability (saturates: the logit is usually the better choice)
//   A-vs-B        logit A minus logit B: "why A and not B"; here top1, top2 ... name the class of that rank
//
// Case and underscores in labels do not matter. Several targets share the forwards.

#include <vitrail/tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vitrail {

enum class TargetUnit { logit, probability };

struct Target {
  std::string string = "top1";  ///< as the user wrote it
  int64_t index = -1;           ///< the class
  int64_t versus = -1;          ///< the class subtracted from it, or -1
  std::string label = {};       ///< "tabby cat", "tabby cat vs tiger cat"; empty where the model has no labels
  TargetUnit unit = TargetUnit::logit;

  std::string unit_name() const { return unit == TargetUnit::logit ? "logit" : "probability"; }
  /// Short and safe in file names: "281", "prob-281", "281-vs-285".
  std::string slug() const;
  /// For people: "tabby cat (281)", "class 281".
  std::string title() const;
};

/// Resolves target strings for one sample. `logits` is [K]; it decides top1 and topK. Throws UsageError for an
/// unknown label (with the nearest ones), an index out of range, or a wrong form.
std::vector<Target> resolve_targets(std::span<const std::string> strings, const Tensor& logits,
                                    const std::vector<std::string>& labels);

/// Checks only the form, before anything is loaded.
void check_target_syntax(const std::string& string);

/// The scores of the targets from logits [N,K]: [N,T]. Differentiable.
Tensor target_scores(const Tensor& logits, std::span<const Target> targets);

}  // namespace vitrail
