// Targets of segmentations.

#include <ATen/TensorOperators.h>
#include <ATen/ops/bincount.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/class_names.h"
#include "model/resolve.h"
#include "model/segmentation/zones.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

std::string class_text(int64_t index, const std::vector<std::string>& labels) {
  const std::string label = label_of(index, labels);
  return label.empty() ? "class " + std::to_string(index) : label;
}

/// Cells of each class, [K].
Tensor count_cells(const Tensor& classes, int64_t number) {
  const Tensor found = classes.flatten();
  return at::bincount(found.masked_select(found >= 0), {}, number);
}

/// "church, person": the classes that the model sees, most cells first.
std::string classes_found(const Tensor& counts, const std::vector<std::string>& labels) {
  constexpr int64_t kMost = 6;
  const Tensor order = counts.argsort(-1, /*descending=*/true);
  std::vector<std::string> names;
  for (int64_t i = 0; i < std::min(kMost, order.size(0)); ++i)
    if (const auto k = order[i].item<int64_t>(); counts[k].item<int64_t>() > 0) names.push_back(class_text(k, labels));
  return names.empty() ? "nothing" : join(names);
}

void add_zone(Target target, const Tensor& mask, int64_t index, const std::string& name, const TargetContext& context,
              std::vector<Target>& found) {
  target.index = index;
  target.label = label_of(index, context.labels);
  target.name = name;
  target.function = std::make_shared<ZoneTarget>(mask.to(at::kFloat), index);
  found.push_back(std::move(target));
}

void resolve_top(const TargetSyntax& syntax, const Target& target, const Tensor& classes, const TargetContext& context,
                 std::vector<Target>& found) {
  const Tensor counts = count_cells(classes, context.output.classes());
  const Tensor order = counts.argsort(-1, /*descending=*/true);
  for (int64_t rank = 0; rank < syntax.count; ++rank) {
    if (rank >= order.size(0) || counts[order[rank]].item<int64_t>() == 0)
      throw InputError("the target '" + target.string + "' asks for " + std::to_string(syntax.count) +
                       " classes; the model finds in this photo: " + classes_found(counts, context.labels) + ".");
    const auto index = order[rank].item<int64_t>();
    add_zone(target, classes == index, index, "class-" + std::to_string(index), context, found);
  }
}

void resolve_class(const TargetSyntax& syntax, const Target& target, const Tensor& classes,
                   const TargetContext& context, std::vector<Target>& found) {
  const Tensor counts = count_cells(classes, context.output.classes());
  const int64_t index = find_class(syntax.first, counts, context.labels);
  if (counts[index].item<int64_t>() == 0)
    throw InputError("the target '" + target.string + "' is of " + class_text(index, context.labels) +
                     ", which no cell of this photo is given to; found: " + classes_found(counts, context.labels) +
                     ". A place can be asked about with mask:FILE:T whatever is found there.");
  add_zone(target, classes == index, index, "class-" + std::to_string(index), context, found);
}

void resolve_blob(const TargetSyntax& syntax, const Target& target, const Tensor& classes, const TargetContext& context,
                  std::vector<Target>& found) {
  const double x = syntax.coordinates[0], y = syntax.coordinates[1];
  const Rectangle& seen = context.photo->placed;
  if (!(x >= seen.x0 && x < seen.x1 && y >= seen.y0 && y < seen.y1))
    throw InputError("the pixel of the target '" + target.string +
                     "' lies outside of what the model sees of this photo: x from " + pixels_text(seen.x0) + " to " +
                     pixels_text(seen.x1) + ", y from " + pixels_text(seen.y0) + " to " + pixels_text(seen.y1) + ".");
  // The middle of the pixel.
  const auto cell = [](double at, double begin, double end, int64_t cells) {
    return std::clamp<int64_t>(static_cast<int64_t>((at + 0.5 - begin) / (end - begin) * static_cast<double>(cells)), 0,
                               cells - 1);
  };
  const int64_t row = cell(y, seen.y0, seen.y1, classes.size(0)), column = cell(x, seen.x0, seen.x1, classes.size(1));
  const auto index = classes[row][column].item<int64_t>();
  if (index < 0)
    throw InputError("the model finds nothing at the pixel of the target '" + target.string +
                     "': its score there is not above 0. Choose a pixel of the object, or mask:FILE.");
  Tensor zone = connected_blob(classes, row, column);
  std::string name = "zone-" + file_word(pixels_text(x)) + "-" + file_word(pixels_text(y));
  if (syntax.zone != ZonePart::all) {
    zone = syntax.zone == ZonePart::inner ? inner_border(zone) : outer_border(zone);
    name += syntax.zone == ZonePart::inner ? "-inner" : "-outer";
    if (!zone.any().item<bool>())
      throw InputError("the zone of the target '" + target.string + "' fills the whole output: it has no border.");
  }
  add_zone(target, zone, index, name, context, found);
}

void resolve_mask(const TargetSyntax& syntax, const Target& target, const Tensor& classes, const TargetContext& context,
                  std::vector<Target>& found) {
  const Image picture = read_image(syntax.file);
  const PreparedImage& photo = *context.photo;
  if (picture.width() != photo.width || picture.height() != photo.height)
    throw InputError("the mask " + syntax.file.string() + " has " + std::to_string(picture.width()) + "x" +
                     std::to_string(picture.height()) + " pixels, the photo " + std::to_string(photo.width) + "x" +
                     std::to_string(photo.height) + "; expected the same size.");
  const Tensor mask = signed_mask(picture, photo.placed, classes.size(0), classes.size(1));
  if (!mask.ne(0).any().item<bool>())
    throw InputError("the mask " + syntax.file.string() +
                     " is 0 in all that the model sees of this photo; expected white or green where it counts, red "
                     "where it counts negatively.");
  int64_t index = 0;
  if (!syntax.first.empty()) {
    index = find_class(syntax.first, count_cells(classes, context.output.classes()), context.labels);
  } else if (context.output.classes() > 1) {
    const Tensor inside = classes.masked_select(mask > 0);
    if (inside.numel() == 0)
      throw UsageError("the mask of the target '" + target.string +
                       "' has no positive part that would name a class; give one, as in mask:FILE:T.");
    index = at::bincount(inside).argmax().item<int64_t>();
  }
  add_zone(target, mask, index,
           "mask-" + file_word(syntax.file.stem().string()) + (syntax.first.empty() ? "" : "-" + std::to_string(index)),
           context, found);
}

}  // namespace

void resolve_zone(const TargetSyntax& syntax, Target target, const TargetContext& context, std::vector<Target>& found) {
  if (syntax.unit != TargetUnit::logit || !syntax.second.empty() || syntax.versus_similar)
    refuse_target(target.string, OutputKind::segmentation);
  const Tensor classes = class_map(context.output.scores[0]);
  switch (syntax.form) {
    case TargetForm::top:
      return resolve_top(syntax, target, classes, context, found);
    case TargetForm::classes:
      return resolve_class(syntax, target, classes, context, found);
    case TargetForm::zone:
      return resolve_blob(syntax, target, classes, context, found);
    case TargetForm::mask:
      return resolve_mask(syntax, target, classes, context, found);
    default:
      refuse_target(target.string, OutputKind::segmentation);
  }
}

}  // namespace vitrail
