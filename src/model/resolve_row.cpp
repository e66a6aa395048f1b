// Targets of rows: classes, sums of outputs, likeness to another photo.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <limits>

#include "model/class_names.h"
#include "model/resolve.h"
#include "model/row_target.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

/// Of A-vs-similar: how many other classes, those with the largest scores.
constexpr int64_t kSimilarClasses = 3;
/// A row this like its reference is the row of the same photo.
constexpr double kSame = 1e-6;

void resolve_top(const TargetSyntax& syntax, Target target, const TargetContext& context, std::vector<Target>& found) {
  const Tensor row = context.output.scores[0];
  if (syntax.count > row.numel())
    throw UsageError("the target '" + target.string + "' asks for more classes than the model has (" +
                     std::to_string(row.numel()) + ").");
  const Tensor best = std::get<1>(at::topk(row, syntax.count));
  for (int64_t rank = 0; rank < syntax.count; ++rank) {
    target.index = best[rank].item<int64_t>();
    target.label = label_of(target.index, context.labels);
    found.push_back(target);
  }
}

/// Minus the mean of the largest others.
void contrast_with_similar(Target& target, const Tensor& row) {
  const int64_t others = std::min(kSimilarClasses, row.numel() - 1);
  if (others < 1) throw UsageError("the contrast '" + target.string + "' needs other classes, and the model has one.");
  const Tensor others_only = row.clone();
  others_only[target.index] = -std::numeric_limits<float>::infinity();
  const Tensor nearest = std::get<1>(at::topk(others_only, others));
  const Tensor weights = at::full({others + 1}, -1.0 / static_cast<double>(others));
  weights[0] = 1;
  target.function =
      std::make_shared<SumTarget>(at::cat({at::tensor({target.index}, at::kLong), nearest.to(at::kLong)}), weights);
  target.name = std::to_string(target.index) + "-vs-similar";
  if (!target.label.empty()) target.label += " vs similar classes";
}

void resolve_class(const TargetSyntax& syntax, Target target, const TargetContext& context,
                   std::vector<Target>& found) {
  const Tensor row = context.output.scores[0];
  target.index = find_class(syntax.first, row, context.labels);
  target.label = label_of(target.index, context.labels);
  if (!syntax.second.empty()) {
    target.versus = find_class(syntax.second, row, context.labels);
    if (target.versus == target.index)
      throw UsageError("the contrast '" + target.string + "' compares class " + std::to_string(target.index) +
                       " with itself.");
    if (!target.label.empty()) target.label += " vs " + label_of(target.versus, context.labels);
  }
  if (syntax.versus_similar) contrast_with_similar(target, row);
  found.push_back(target);
}

void resolve_outputs(const TargetSyntax& syntax, Target target, const TargetContext& context,
                     std::vector<Target>& found) {
  const int64_t size = context.output.scores.size(1);
  if (syntax.outputs.empty()) {
    target.function = std::make_shared<SumTarget>(at::arange(size, at::kLong), at::full({size}, syntax.signs[0]));
    target.name = syntax.signs[0] > 0 ? "out-all" : "minus-out-all";
    found.push_back(target);
    return;
  }
  target.name = "out";
  for (size_t i = 0; i < syntax.outputs.size(); ++i) {
    if (syntax.outputs[i] >= size)
      throw UsageError("output " + std::to_string(syntax.outputs[i]) + " of the target '" + target.string +
                       "' does not exist: the model has " + std::to_string(size) + ", 0 to " +
                       std::to_string(size - 1) + ".");
    const bool minus = syntax.signs[i] < 0;
    target.name += (minus ? "-minus-" : "-") + std::to_string(syntax.outputs[i]);
    if (const std::string label = label_of(syntax.outputs[i], context.labels); !label.empty())
      target.label += std::string(minus ? (i > 0 ? " - " : "-") : (i > 0 ? " + " : "")) + label;
  }
  target.function = std::make_shared<SumTarget>(at::tensor(syntax.outputs, at::kLong), at::tensor(syntax.signs));
  if (syntax.outputs.size() == 1) target.index = syntax.outputs[0];
  found.push_back(target);
}

void resolve_similar(const TargetSyntax& syntax, Target target, const TargetContext& context,
                     std::vector<Target>& found) {
  if (!context.row_of_file)
    throw UsageError("the target '" + target.string + "' needs the model, to see the other photo: Model::targets.");
  target.function = std::make_shared<SimilarityTarget>(context.row_of_file(syntax.file));
  const double likeness = target.score(context.output)[0].item<double>();
  if (likeness > 1 - kSame)
    throw InputError("the target '" + target.string +
                     "' compares the photo with itself: the similarity is 1, its maximum, and its gradient is zero. "
                     "Give another photo.");
  target.label = "similar to " + syntax.file.filename().string();
  target.name = "similar-" + file_word(syntax.file.stem().string());
  found.push_back(target);
}

}  // namespace

void resolve_row(const TargetSyntax& syntax, Target target, const TargetContext& context, std::vector<Target>& found) {
  const bool classes = context.output.kind == OutputKind::logits;
  switch (syntax.form) {
    case TargetForm::top:
      if (!classes) refuse_target(target.string, context.output.kind);
      return resolve_top(syntax, target, context, found);
    case TargetForm::classes:
      if (!classes) refuse_target(target.string, context.output.kind);
      return resolve_class(syntax, target, context, found);
    case TargetForm::outputs:
      return resolve_outputs(syntax, target, context, found);
    case TargetForm::similar:
      return resolve_similar(syntax, target, context, found);
    default:
      refuse_target(target.string, context.output.kind);
  }
}

}  // namespace vitrail
