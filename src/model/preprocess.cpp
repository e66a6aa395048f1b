#include "vitrail/preprocess.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/json_text.h"
#include "model/record_object.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using nlohmann::json;

/// A thin strip becomes very long where its short side is enlarged.
constexpr int64_t kMaxScaledPixels = DecodeOptions().max_pixels;

const Words<Colour> kColours = {{"RGB", Colour::rgb}, {"BGR", Colour::bgr}, {"grey", Colour::grey}};
const Words<Layout> kLayouts = {{"NCHW", Layout::nchw}, {"NHWC", Layout::nhwc}, {"flat", Layout::flat}};
const Words<ResizeRule> kRules = {
    {"short_side", ResizeRule::short_side}, {"whole", ResizeRule::whole}, {"none", ResizeRule::none}};
const Words<ResizeFilter> kFilters = {
    {"bilinear", ResizeFilter::bilinear}, {"bicubic", ResizeFilter::bicubic}, {"nearest", ResizeFilter::nearest}};
const Words<bool> kCrops = {{"centre", true}, {"none", false}};

template <typename T>
std::string word_for(const Words<T>& words, T value) {
  for (const auto& [word, meaning] : words)
    if (meaning == value) return word;
  VITRAIL_CHECK(false, "a value without a word");
  return {};
}

/// Pillow's greyscale: ITU-R 601 in 16-bit fixed point.
Tensor to_grey(const Tensor& rgb) {
  const Tensor wide = rgb.to(at::kInt);
  const Tensor weighted = wide.select(2, 0) * 19595 + wide.select(2, 1) * 38470 + wide.select(2, 2) * 7471 + 0x8000;
  return weighted.bitwise_right_shift(16).to(at::kByte).unsqueeze(2);
}

Tensor in_colour(const Tensor& rgb, Colour colour) {
  switch (colour) {
    case Colour::rgb:
      return rgb;
    case Colour::bgr:
      return rgb.flip({2});
    case Colour::grey:
      return to_grey(rgb);
  }
  return rgb;
}

/// (pixels * scale - mean) / std of pixels [C,...,...].
Tensor normalise(const Tensor& pixels, const Preprocess& p) {
  auto per_channel = [&](const std::vector<double>& values) {
    if (static_cast<int64_t>(values.size()) != p.channels())
      throw UsageError("the preprocessing has " + std::to_string(p.mean.size()) + " means and " +
                       std::to_string(p.std.size()) + " standard deviations for " + std::to_string(p.channels()) +
                       " channel(s); expected one of each a channel.");
    return at::tensor(values, at::kDouble).reshape({p.channels(), 1, 1});
  };
  return ((pixels * p.scale - per_channel(p.mean)) / per_channel(p.std)).to(at::kFloat);
}

struct Placed {
  Tensor pixels;
  Rectangle rectangle;
};

/// The shorter side becomes `resize_to`, the other is rounded; then the centre is cut out, rounded to the top
/// left. Coordinates of the photo are kept along.
Placed resize_short_side(const Image& image, const Preprocess& p) {
  const int64_t shorter = std::min(image.height(), image.width());
  auto scaled = [&](int64_t side) {
    return side == shorter ? p.resize_to : std::llround(static_cast<double>(p.resize_to * side) / shorter);
  };
  const int64_t height = scaled(image.height()), width = scaled(image.width());
  if (width > kMaxScaledPixels / height)
    throw InputError(image.path + " is " + std::to_string(image.width()) + "x" + std::to_string(image.height()) +
                     " pixels: scaled to a short side of " + std::to_string(p.resize_to) + " it would have " +
                     std::to_string(width) + "x" + std::to_string(height) +
                     ". Cut it to usual proportions, or use resize rule \"whole\".");
  if (!p.centre_crop) {
    if (height == p.height && width == p.width)
      return {resize(image.pixels, height, width, p.filter, p.antialias),
              {0, 0, static_cast<double>(image.width()), static_cast<double>(image.height())}};
    throw InputError(image.path + " becomes " + std::to_string(width) + "x" + std::to_string(height) +
                     " pixels, but the model takes " + std::to_string(p.width) + "x" + std::to_string(p.height) +
                     " and the preprocessing crops nothing. Use crop \"centre\" or resize rule \"whole\".");
  }
  if (height < p.height || width < p.width)
    throw UsageError("the preprocessing scales the short side to " + std::to_string(p.resize_to) +
                     ", less than the model's input of " + std::to_string(p.width) + "x" + std::to_string(p.height) +
                     ". Raise resize.to.");
  const Tensor resized = resize(image.pixels, height, width, p.filter, p.antialias);
  const int64_t top = (height - p.height) / 2, left = (width - p.width) / 2;
  const double sx = static_cast<double>(image.width()) / width, sy = static_cast<double>(image.height()) / height;
  return {resized.narrow(0, top, p.height).narrow(1, left, p.width),
          {left * sx, top * sy, (left + p.width) * sx, (top + p.height) * sy}};
}

Placed place(const Image& image, const Preprocess& p) {
  const Rectangle whole = {0, 0, static_cast<double>(image.width()), static_cast<double>(image.height())};
  const bool exact = image.height() == p.height && image.width() == p.width;
  if (exact && (p.keep_exact || p.resize == ResizeRule::none)) return {image.pixels, whole};
  switch (p.resize) {
    case ResizeRule::whole:
      return {resize(image.pixels, p.height, p.width, p.filter, p.antialias), whole};
    case ResizeRule::short_side:
      return resize_short_side(image, p);
    case ResizeRule::none:
      break;
  }
  throw InputError(
      image.path + " has " + std::to_string(image.width()) + "x" + std::to_string(image.height()) +
      " pixels; the model takes " + std::to_string(p.width) + "x" + std::to_string(p.height) +
      " and its preprocessing resizes nothing. Scale the image first, or choose another with --preprocess.");
}

}  // namespace

Preprocess Preprocess::preset(const std::string& name, int64_t height, int64_t width, int64_t channels, Layout layout) {
  static const std::vector<std::string> kPresets = {"imagenet", "half", "unit", "raw"};
  if (std::find(kPresets.begin(), kPresets.end(), name) == kPresets.end())
    throw UsageError("there is no preset '" + name + "'. " + did_you_mean(name, kPresets));
  Preprocess p;
  p.colour = channels == 1 ? Colour::grey : Colour::rgb;
  p.layout = layout;
  p.height = height;
  p.width = width;
  if (name == "imagenet") {
    // 224 of 256: the same margin at every size.
    p.resize_to = std::max<int64_t>(std::max(height, width), std::llround(std::min(height, width) * 256.0 / 224.0));
    if (channels == 1) {
      p.mean = {0.449};  // the mean of the three
      p.std = {0.226};
    }
    return p;
  }
  p.resize = ResizeRule::whole;
  p.centre_crop = false;
  p.scale = name == "raw" ? 1.0 : 1.0 / 255;
  p.mean.assign(p.channels(), name == "half" ? 0.5 : 0.0);
  p.std.assign(p.channels(), name == "half" ? 0.5 : 1.0);
  return p;
}

Preprocess Preprocess::from_json(const std::string& text, const std::string& where) {
  const json object = parse_json(text, where);
  const RecordObject record(object, where, "preprocess");
  Preprocess p;
  p.colour = record.word("colour", kColours, p.colour);
  p.layout = record.word("layout", kLayouts, p.layout);
  if (!record.has("size") || !record.at("size").is_array() || record.at("size").size() != 2)
    throw record.refusal("size", "[height, width]");
  p.height = record.side("size", record.at("size")[0]);
  p.width = record.side("size", record.at("size")[1]);
  p.resize = ResizeRule::none;
  if (record.has("resize")) {
    const RecordObject resize(record.at("resize"), where, "preprocess.resize");
    p.resize = resize.word("rule", kRules, ResizeRule::none);
    p.filter = resize.word("filter", kFilters, p.filter);
    p.antialias = resize.flag("antialias", p.antialias);
    p.keep_exact = resize.flag("keep_exact", p.keep_exact);
    p.resize_to = resize.has("to") ? resize.side("to", resize.at("to")) : std::min(p.height, p.width);
  }
  p.centre_crop = record.word("crop", kCrops, p.resize == ResizeRule::short_side);
  p.scale = record.number("scale", 1.0);
  if (p.scale == 0) throw record.refusal("scale", "a number other than 0");
  p.mean = record.numbers("mean", p.channels(), 0.0);
  p.std = record.numbers("std", p.channels(), 1.0);
  for (double deviation : p.std)
    if (deviation == 0) throw record.refusal("std", "numbers other than 0");
  return p;
}

std::string Preprocess::to_json() const {
  json resize_object = {{"rule", word_for(kRules, resize)}, {"keep_exact", keep_exact}};
  if (resize != ResizeRule::none) {
    resize_object["filter"] = word_for(kFilters, filter);
    resize_object["antialias"] = antialias;
  }
  if (resize == ResizeRule::short_side) resize_object["to"] = resize_to;
  const json object = {{"colour", word_for(kColours, colour)},
                       {"layout", word_for(kLayouts, layout)},
                       {"size", {height, width}},
                       {"resize", resize_object},
                       {"crop", word_for(kCrops, centre_crop)},
                       {"scale", scale},
                       {"mean", mean},
                       {"std", std}};
  return object.dump();
}

PreparedImage prepare(const Image& image, const Preprocess& preprocess) {
  const Tensor& pixels = image.pixels;
  if (!pixels.defined() || pixels.scalar_type() != at::kByte || pixels.dim() != 3 || pixels.size(2) != 3 ||
      pixels.numel() == 0)
    throw InputError((image.path.empty() ? "the image" : image.path) +
                     " has no pixels that can be used; expected uint8 [H,W,3], as read_image gives.");
  const Placed placed = place(image, preprocess);
  const Tensor planes = in_colour(placed.pixels, preprocess.colour).permute({2, 0, 1}).to(at::kDouble);
  return {normalise(planes, preprocess).unsqueeze(0).contiguous(), placed.rectangle, image.width(), image.height()};
}

Tensor pixel_in_input_space(double value, const Preprocess& preprocess) {
  return normalise(at::full({preprocess.channels(), 1, 1}, value, at::kDouble), preprocess);
}

}  // namespace vitrail
