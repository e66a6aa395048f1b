#pragma once

// Targets: the scalar being explained. A target is a differentiable function of a model's outputs, one score a sample.
//
// Classes
//   top1          the predicted class (default); topK: the K best, K targets
//   281           a class by index; "tabby cat" by label or one of its comma-separated names; class:T the same
//   logit:T       the same, said explicitly
//   prob:T        its probability (saturates: the logit is usually the better choice)
//   A-vs-B        logit A minus logit B: "why A and not B"; here top1, top2 ... name the class of that rank
//   A-vs-similar  logit A minus the mean of the three largest other logits of the photo
//
// Rows of values (regression, embeddings, also logits)
//   out:3         an output; -out:3 or out:-3 its negative; out:3:-5 a signed sum; out:all their sum
//   similar:FILE  cosine similarity of the row to that of another photo
//
// Detection: overlap x objectness x class similarity, the largest over all boxes before suppression
//   box:N         the N-th best detection of the photo; topK: the K best; box:all: the mean over all of them
//   rect:x0:y0:x1:y1   a rectangle of the photo, in its pixels, whether there is a detection or not
//   ...:CLASS     box:N:dog is the N-th best dog, box:all:dog all of them; a rectangle is then asked for that class
//   ...:position, ...:confidence, ...:class   one factor alone, of the box that matches best
//   class:T       the largest objectness x probability of the class over all boxes
//
// Segmentation: mean class score over cells of the output
//   class:T       the cells that the model gives to the class; topK: the K classes with most cells
//   zone:x:y      the connected blob of one class under a pixel of the photo; zone:x:y:inner, :outer its border
//   mask:FILE     a picture of the photo's size: white or green counts, red counts negatively; mask:FILE:T names a
//                 class, else the one that most of the white cells have
//
// Case and underscores in labels do not matter. Several targets share the forwards.

#include <vitrail/output.h>
#include <vitrail/preprocess.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vitrail {

enum class TargetUnit { logit, probability, score, similarity, value };

/// How a score comes from a model's outputs. Immutable; used from several threads at once.
class TargetScore {
 public:
  virtual ~TargetScore() = default;
  /// [N], differentiable.
  virtual Tensor score(const ModelOutput& output) const = 0;
};

struct Target {
  std::string string = "top1";  ///< as the user wrote it
  int64_t index = -1;           ///< the class; -1 where the target is of none
  int64_t versus = -1;          ///< the class subtracted from it, or -1
  std::string label = {};       ///< "tabby cat", "tabby cat vs tiger cat"; empty where the model has no labels
  TargetUnit unit = TargetUnit::logit;

  std::shared_ptr<const TargetScore> function = {};  ///< empty: class `index` of a row of logits, minus `versus`
  std::string name = {};                             ///< the slug of a target with a function
  std::vector<Rectangle> boxes = {};                 ///< that it asks about, in pixels of the photo
  std::string gradient_warning = {};                 ///< what a gradient at the photo cannot show, for methods to say

  /// [N]
  Tensor score(const ModelOutput& output) const;

  std::string unit_name() const;
  /// Short and safe in file names: "281", "prob-281", "281-vs-285", "box-1".
  std::string slug() const;
  /// For people: "tabby cat (281)", "class 281", "face (box-1)".
  std::string title() const;
};

/// Resolves targets of classes and rows of values for one sample. `logits` is [K]; it decides top1 and topK. Throws
/// UsageError for an unknown label (with the nearest ones), an index out of range, or a wrong form. Targets that need
/// the photo are Model::targets' to resolve.
std::vector<Target> resolve_targets(std::span<const std::string> strings, const Tensor& logits,
                                    const std::vector<std::string>& labels);

/// Checks only the form, and that files it names exist, before anything is loaded.
void check_target_syntax(const std::string& string);

/// The scores of the targets: [N,T]. Differentiable.
Tensor target_scores(const ModelOutput& output, std::span<const Target> targets);

/// The same from a row of logits [N,K].
Tensor target_scores(const Tensor& logits, std::span<const Target> targets);

}  // namespace vitrail
