// Targets of detectors.

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "model/class_names.h"
#include "model/resolve.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

std::string part_word(BoxPart part) {
  switch (part) {
    case BoxPart::all:
      return "";
    case BoxPart::position:
      return "-position";
    case BoxPart::confidence:
      return "-confidence";
    case BoxPart::similarity:
      return "-class";
  }
  return "";
}

/// Scores that say which class "top2" is: how much of it the detector sees.
Tensor class_scores(const ModelOutput& output) {
  if (output.boxes.size(1) == 0) return at::zeros({output.classes()});
  const Tensor scores = output.scores[0];
  return std::get<0>((output.objectness.defined() ? output.objectness[0].unsqueeze(1) * scores : scores).max(0));
}

Rectangle on_photo(const Detection& box, const PreparedImage& photo) {
  return {to_photo_x(box.x0, photo), to_photo_y(box.y0, photo), to_photo_x(box.x1, photo), to_photo_y(box.y1, photo)};
}

std::string gradient_warning(const Target& target, BoxPart part) {
  if (part != BoxPart::position && part != BoxPart::similarity) return "";
  return "The gradient of " + target.string + " is zero at the photo by construction: " +
         (part == BoxPart::position ? "a box overlaps itself most" : "a box has the same class scores as itself") +
         ". Take box:N or box:N:confidence, or a black-box method such as rise.";
}

class Resolver {
 public:
  Resolver(const TargetSyntax& syntax, const TargetContext& context)
      : syntax_(syntax), context_(context), detections_(suppress(context.output, context.suppression)) {}

  void references(Target target, std::vector<Target>& found) const {
    std::vector<Detection> boxes = detections_;
    if (!syntax_.first.empty()) {
      target.index = find_class(syntax_.first, class_scores(context_.output), context_.labels);
      std::erase_if(boxes, [&](const Detection& box) { return box.index != target.index; });
    }
    const auto wanted = static_cast<size_t>(syntax_.box.value_or(1));
    if (boxes.size() < wanted) refuse(target, boxes.size());
    if (syntax_.box) boxes = {boxes[wanted - 1]};
    std::string name = "box-" + (syntax_.box ? std::to_string(*syntax_.box) : "all");
    if (!syntax_.first.empty()) name += "-" + file_word(syntax_.first);
    add(target, boxes, name, found);
  }

  void top(const Target& target, std::vector<Target>& found) const {
    if (detections_.size() < static_cast<size_t>(syntax_.count)) refuse(target, detections_.size());
    for (int64_t rank = 0; rank < syntax_.count; ++rank)
      add(target, {detections_[static_cast<size_t>(rank)]}, "box-" + std::to_string(rank + 1), found);
  }

  void rectangle(Target target, std::vector<Target>& found) const {
    const PreparedImage& photo = *context_.photo;
    const std::vector<double>& corner = syntax_.coordinates;
    const Rectangle& seen = photo.placed;
    if (corner[2] <= seen.x0 || corner[0] >= seen.x1 || corner[3] <= seen.y0 || corner[1] >= seen.y1)
      throw InputError("the rectangle of the target '" + target.string +
                       "' lies outside of what the model sees of this photo: x from " + pixels_text(seen.x0) + " to " +
                       pixels_text(seen.x1) + ", y from " + pixels_text(seen.y0) + " to " + pixels_text(seen.y1) + ".");
    const auto x = [&](double value) {
      return (value - seen.x0) / (seen.x1 - seen.x0) * static_cast<double>(photo.input.size(3));
    };
    const auto y = [&](double value) {
      return (value - seen.y0) / (seen.y1 - seen.y0) * static_cast<double>(photo.input.size(2));
    };
    const Tensor box = at::tensor({x(corner[0]), y(corner[1]), x(corner[2]), y(corner[3])}, at::kFloat).unsqueeze(0);
    Tensor classes;
    target.name = "rect";
    for (const double value : corner) target.name += "-" + file_word(pixels_text(value));
    if (!syntax_.first.empty()) {
      target.index = find_class(syntax_.first, class_scores(context_.output), context_.labels);
      target.label = label_of(target.index, context_.labels);
      target.name += "-" + file_word(syntax_.first);
      classes = at::zeros({1, context_.output.classes()});
      classes[0][target.index] = 1;
    }
    target.name += part_word(syntax_.part);
    if (syntax_.part == BoxPart::confidence) target.unit = TargetUnit::probability;
    target.boxes = {{corner[0], corner[1], corner[2], corner[3]}};
    target.function = std::make_shared<BoxTarget>(box, classes, syntax_.part);
    found.push_back(std::move(target));
  }

  void presence(Target target, std::vector<Target>& found) const {
    target.index = find_class(syntax_.first, class_scores(context_.output), context_.labels);
    target.label = label_of(target.index, context_.labels);
    target.unit = TargetUnit::probability;
    target.name = "class-" + std::to_string(target.index);
    target.function = std::make_shared<PresenceTarget>(target.index);
    found.push_back(std::move(target));
  }

 private:
  [[noreturn]] void refuse(const Target& target, size_t count) const {
    throw InputError("the target '" + target.string + "' does not exist in this photo: the detector finds " +
                     (count == 0 ? "no such box" : std::to_string(count) + (count == 1 ? " such box" : " such boxes")) +
                     " with a score of at least " + pixels_text(context_.suppression.score_threshold) +
                     ". rect:x0:y0:x1:y1 asks about any place.");
  }

  void add(Target target, const std::vector<Detection>& boxes, const std::string& name,
           std::vector<Target>& found) const {
    const ModelOutput& output = context_.output;
    if (syntax_.part == BoxPart::similarity && output.classes() == 1)
      throw UsageError("the target '" + target.string +
                       "' is of the class of a box, and the detector knows one class: its similarity is always 1.");
    Tensors rectangles, classes;
    for (const Detection& box : boxes) {
      rectangles.push_back(output.boxes[0][box.box].detach());
      classes.push_back(output.scores[0][box.box].detach());
      target.boxes.push_back(on_photo(box, *context_.photo));
    }
    target.name = name + part_word(syntax_.part);
    if (boxes.size() == 1) target.index = boxes[0].index;
    target.unit = syntax_.part == BoxPart::confidence ? TargetUnit::probability : TargetUnit::score;
    target.label = label_of(target.index, context_.labels);
    target.gradient_warning = gradient_warning(target, syntax_.part);
    target.function = std::make_shared<BoxTarget>(at::stack(rectangles), at::stack(classes), syntax_.part);
    found.push_back(std::move(target));
  }

  const TargetSyntax& syntax_;
  const TargetContext& context_;
  std::vector<Detection> detections_;
};

}  // namespace

void resolve_box(const TargetSyntax& syntax, Target target, const TargetContext& context, std::vector<Target>& found) {
  if (!syntax.second.empty() || syntax.versus_similar) refuse_target(target.string, OutputKind::boxes);
  const Resolver resolver(syntax, context);
  switch (syntax.form) {
    case TargetForm::box:
      return resolver.references(std::move(target), found);
    case TargetForm::rectangle:
      return resolver.rectangle(std::move(target), found);
    case TargetForm::top:
      return resolver.top(target, found);
    case TargetForm::classes:
      return resolver.presence(std::move(target), found);
    default:
      refuse_target(target.string, OutputKind::boxes);
  }
}

}  // namespace vitrail
