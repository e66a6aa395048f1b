#include <vitrail/truth.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>
#include <vitrail/image.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "attribution/options.h"
#include "evaluation/input_centres.h"
#include "model/json_text.h"
#include "model/segmentation/zones.h"

namespace vitrail {

namespace {

namespace fs = std::filesystem;

/// Boxes are rounded by those who draw them.
constexpr double kPixelsBeside = 1;

std::string text_of(const Rectangle& box) {
  return write_value(box.x0) + "," + write_value(box.y0) + "," + write_value(box.x1) + "," + write_value(box.y1);
}

void check_inside(const Rectangle& box, const PreparedImage& photo) {
  const auto width = static_cast<double>(photo.width), height = static_cast<double>(photo.height);
  const bool inside = box.x0 >= -kPixelsBeside && box.y0 >= -kPixelsBeside && box.x1 <= width + kPixelsBeside &&
                      box.y1 <= height + kPixelsBeside;
  if (box.x0 < box.x1 && box.y0 < box.y1 && inside) return;
  throw InputError("the box " + text_of(box) + " is not one of a photo of " + std::to_string(photo.width) + "x" +
                   std::to_string(photo.height) +
                   " pixels; expected x0,y0,x1,y1 with x0 < x1 and y0 < y1 inside of it.");
}

/// All that lies in one of the boxes.
Tensor region_of(std::span<const Rectangle> boxes, const PreparedImage& photo) {
  const InputCentres centres(photo);
  Tensor region = at::zeros({centres.y.size(0), centres.x.size(0)}, at::kBool);
  for (const Rectangle& box : boxes) {
    const Tensor rows = (centres.y >= box.y0).logical_and(centres.y < box.y1);
    const Tensor columns = (centres.x >= box.x0).logical_and(centres.x < box.x1);
    region.logical_or_(rows.unsqueeze(1).logical_and(columns));
  }
  return region;
}

/// Cells of an output [h,w] at the size of the input: each pixel has the value of the cell that its centre lies in.
Tensor over_the_input(const Tensor& cells, const PreparedImage& photo) {
  const auto cell_of = [](int64_t pixels, int64_t cells) {
    return ((at::arange(pixels, at::kDouble) + 0.5) * (static_cast<double>(cells) / static_cast<double>(pixels)))
        .floor()
        .to(at::kLong);
  };
  return cells.index_select(0, cell_of(photo.input.size(2), cells.size(0)))
      .index_select(1, cell_of(photo.input.size(3), cells.size(1)));
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || !fs::is_regular_file(path))
    throw InputError(path.string() + " cannot be read; expected a file of boxes, .csv or .json.");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// `count` pieces between commas, and the rest as one more.
std::vector<std::string> split(const std::string& line, size_t count) {
  std::vector<std::string> pieces;
  size_t begin = 0;
  for (size_t comma; pieces.size() < count && (comma = line.find(',', begin)) != std::string::npos; begin = comma + 1)
    pieces.push_back(line.substr(begin, comma - begin));
  pieces.push_back(line.substr(begin));
  return pieces;
}

TruthBoxes read_lines(const std::string& text, const std::string& where) {
  TruthBoxes boxes;
  int64_t number = 0;
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    ++number;
    if (line.empty() || (number == 1 && line.starts_with("image,"))) continue;
    const std::vector<std::string> fields = split(line, 5);
    TruthBox box{.label = fields.size() == 6 ? fields[5] : ""};
    try {
      if (fields.size() < 5) throw std::invalid_argument("image,x0,y0,x1,y1 or image,x0,y0,x1,y1,label.");
      size_t field = 1;
      for (double* side : {&box.box.x0, &box.box.y0, &box.box.x1, &box.box.y1}) read_value(fields[field++], *side);
    } catch (const std::invalid_argument& expected) {
      throw InputError(where + ", line " + std::to_string(number) + ": found \"" + line + "\", expected " +
                       expected.what());
    }
    boxes[fields[0]].push_back(std::move(box));
  }
  return boxes;
}

TruthBoxes read_coco(const std::string& text, const std::string& where) {
  const nlohmann::json coco = parse_json(text, where);
  TruthBoxes boxes;
  try {
    std::map<int64_t, std::string> photos, classes;
    for (const auto& image : coco.at("images"))
      photos[image.at("id").get<int64_t>()] = image.at("file_name").get<std::string>();
    if (coco.contains("categories"))
      for (const auto& category : coco.at("categories"))
        classes[category.at("id").get<int64_t>()] = category.at("name").get<std::string>();
    for (const auto& annotation : coco.at("annotations")) {
      const auto photo = photos.find(annotation.at("image_id").get<int64_t>());
      if (photo == photos.end())
        throw InputError(where + ": an annotation has image_id " + annotation.at("image_id").dump() +
                         ", which none of the images has.");
      const auto& sides = annotation.at("bbox");
      const auto side = [&](size_t i) { return sides.at(i).get<double>(); };
      TruthBox box{.box = {side(0), side(1), side(0) + side(2), side(1) + side(3)}};
      if (annotation.contains("category_id")) box.label = classes[annotation.at("category_id").get<int64_t>()];
      boxes[photo->second].push_back(std::move(box));
    }
  } catch (const nlohmann::json::exception& error) {
    throw InputError(where + " is no COCO annotation: " + error.what() +
                     ". Expected images with id and file_name, and annotations with image_id and bbox [x,y,width,"
                     "height].");
  }
  return boxes;
}

}  // namespace

Tensor read_truth(const fs::path& picture, const PreparedImage& photo) {
  const Image image = read_image(picture);
  if (image.width() != photo.width || image.height() != photo.height)
    throw InputError("the region " + picture.string() + " has " + std::to_string(image.width()) + "x" +
                     std::to_string(image.height()) + " pixels, the photo " + std::to_string(photo.width) + "x" +
                     std::to_string(photo.height) + "; expected the same size.");
  const Tensor region = (image.pixels > 127).any(2);
  const InputCentres centres(photo);
  const auto pixels = [](const Tensor& place, int64_t size) { return place.floor().to(at::kLong).clamp(0, size - 1); };
  return region.index_select(0, pixels(centres.y, image.height())).index_select(1, pixels(centres.x, image.width()));
}

Tensor truth_of(std::span<const TruthBox> boxes, const PreparedImage& photo) {
  std::vector<Rectangle> rectangles;
  for (const TruthBox& truth : boxes) {
    check_inside(truth.box, photo);
    rectangles.push_back(truth.box);
  }
  return region_of(rectangles, photo);
}

Tensor truth_of_target(const Target& target, const PreparedImage& photo) {
  if (const auto* zone = dynamic_cast<const ZoneTarget*>(target.function.get()))
    return over_the_input(zone->region(), photo);
  if (target.boxes.empty())
    throw UsageError("the target '" + target.string +
                     "' has no place in the photo; expected a box, a rectangle, a zone or a mask.");
  return region_of(target.boxes, photo);
}

TruthBoxes read_truth_boxes(const fs::path& file) {
  const std::string text = read_text(file);
  return file.extension() == ".json" ? read_coco(text, file.string()) : read_lines(text, file.string());
}

}  // namespace vitrail
