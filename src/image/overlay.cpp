#include "image/overlay.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/quantile.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "image/colormap.h"
#include "image/draw.h"

namespace vitrail {
namespace {

constexpr Rgb kPaper = {250, 250, 248}, kInk = {32, 33, 36}, kFaint = {110, 112, 116};
constexpr int64_t kMargin = 16, kBarWidth = 16, kBarGap = 14, kTickSpace = 92;
constexpr double kDimmed = 0.5;  ///< brightness of what the model did not see

/// The range of values that the colours cover.
struct Scale {
  double low = 0, high = 1;
  bool constant = false;
};

Scale find_scale(const Tensor& map, bool is_signed, double percentile) {
  const double least = map.min().item<double>(), most = map.max().item<double>();
  Scale scale;
  // Rounding noise is no structure: a map this flat is drawn as constant.
  scale.constant = most - least <= 1e-6 * std::max(std::abs(least), std::abs(most));
  auto at = [](const Tensor& values, double fraction) {
    // Quantiles of a sample: at::quantile sorts, and refuses more than 16 million values.
    const Tensor flat = values.flatten();
    const int64_t step = flat.numel() / 1'000'000 + 1;
    return at::quantile(flat.slice(0, 0, flat.numel(), step), fraction).item<double>();
  };
  if (is_signed) {
    scale.high = at(map.abs(), percentile);
    if (scale.high == 0) scale.high = std::max(std::abs(least), std::abs(most));
    scale.low = -scale.high;
  } else {
    scale.high = at(map, percentile);
    if (scale.high <= least) scale.high = most;
    // A scale from zero where the map comes near it; else (a mean score, say) the map's own range.
    scale.low = least < 0.25 * scale.high ? std::min(0.0, least) : at(map, 1 - percentile);
  }
  if (scale.high <= scale.low) scale.high = scale.low + 1;
  return scale;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

/// The photo at display size, and where the map lies on it.
struct Stage {
  Tensor photo;
  int64_t x, y, width, height;
};

Stage set_stage(const Image& photo, const Rectangle& placed, int64_t long_side) {
  const double factor = static_cast<double>(long_side) / static_cast<double>(std::max(photo.width(), photo.height()));
  auto scaled = [factor](double length) { return static_cast<int64_t>(std::llround(length * factor)); };
  const int64_t width = std::max<int64_t>(scaled(photo.width()), 1),
                height = std::max<int64_t>(scaled(photo.height()), 1);
  Stage stage{resize(photo.pixels, height, width, ResizeFilter::bicubic), 0, 0, 0, 0};
  stage.x = std::clamp<int64_t>(scaled(placed.x0), 0, width - 1);
  stage.y = std::clamp<int64_t>(scaled(placed.y0), 0, height - 1);
  stage.width = std::clamp<int64_t>(scaled(placed.x1) - stage.x, 1, width - stage.x);
  stage.height = std::clamp<int64_t>(scaled(placed.y1) - stage.y, 1, height - stage.y);
  return stage;
}

/// The edges of a box of the photo, white between dark lines so that they show on everything.
void outline(const Tensor& picture, const Rectangle& box, double factor) {
  constexpr int64_t kLine = 2;
  const auto scaled = [factor](double length) { return static_cast<int64_t>(std::llround(length * factor)); };
  const auto frame = [&](int64_t grow, int64_t line, Rgb colour) {
    const int64_t x0 = scaled(box.x0) - grow, y0 = scaled(box.y0) - grow;
    const int64_t width = scaled(box.x1) + grow - x0, height = scaled(box.y1) + grow - y0;
    fill(picture, x0, y0, width, line, colour);
    fill(picture, x0, y0 + height - line, width, line, colour);
    fill(picture, x0, y0, line, height, colour);
    fill(picture, x0 + width - line, y0, line, height, colour);
  };
  frame(1, kLine + 2, kInk);
  frame(0, kLine, {255, 255, 255});
}

/// Photo and map in one picture.
Tensor blend(const Stage& stage, const Tensor& map, bool is_signed, const Scale& scale, const OverlayOptions& options) {
  Tensor picture = stage.photo.to(at::kFloat) * kDimmed;
  const Tensor seen = stage.photo.narrow(0, stage.y, stage.height).narrow(1, stage.x, stage.width).to(at::kFloat);
  Tensor result = seen;
  if (!scale.constant) {
    const Tensor large =
        at::upsample_bicubic2d(map.reshape({1, 1, map.size(0), map.size(1)}), {stage.height, stage.width}, false)[0][0];
    const Tensor position = ((large - scale.low) / (scale.high - scale.low)).clamp(0, 1);
    const Tensor strength = is_signed ? (position * 2 - 1).abs() : position;
    // Grows fast for weak values, so that they are seen, and leaves the photo readable under strong ones.
    const Tensor alpha = (strength.sqrt() * options.opacity).unsqueeze(2);
    const Tensor grey = seen.mean(2, true);
    const Tensor faded = seen * 0.35 + grey * 0.65;
    result =
        faded * (1 - alpha) + colours(position, is_signed ? ColourScale::diverging : ColourScale::sequential) * alpha;
  }
  picture.narrow(0, stage.y, stage.height).narrow(1, stage.x, stage.width).copy_(result);
  return picture.round().clamp(0, 255).to(at::kByte).contiguous();
}

void draw_bar(const Tensor& canvas, const Font& font, int64_t x, int64_t y, int64_t height, bool is_signed,
              const Scale& scale) {
  const Tensor ramp = at::linspace(1, 0, height, at::kFloat).reshape({height, 1}).expand({height, kBarWidth});
  paste(canvas, colours(ramp, is_signed ? ColourScale::diverging : ColourScale::sequential).to(at::kByte), x, y);
  auto tick = [&](double value) {
    const int64_t at = y + std::llround((scale.high - value) / (scale.high - scale.low) * (height - 1));
    fill(canvas, x + kBarWidth, at, 4, 1, kFaint);
    font.write(canvas, x + kBarWidth + 8, std::min(at + 5, y + height), number(value), kInk);
  };
  tick(scale.high);
  tick(scale.low);
  if (is_signed)
    tick(0);
  else
    tick((scale.low + scale.high) / 2);
}

}  // namespace

Tensor render_overlay(const Image& photo, const Rectangle& placed, const Tensor& map, bool is_signed,
                      const std::string& title, const std::string& caption, const std::string& unit,
                      const OverlayOptions& options) {
  const Tensor values = at::nan_to_num(map.to(at::kCPU, at::kFloat), 0.0, 0.0, 0.0);
  const Scale scale = find_scale(values, is_signed, options.percentile);
  const Stage stage = set_stage(photo, placed, options.long_side);
  const int64_t width = stage.photo.size(1), height = stage.photo.size(0);
  const Font large(18), small(13);

  const int64_t text_height = large.line_height() + 2 * small.line_height() + 8;
  const int64_t total_width = std::max<int64_t>(kMargin + width + kBarGap + kBarWidth + kTickSpace, 320);
  Tensor canvas = make_canvas(kMargin + height + kMargin / 2 + text_height + kMargin / 2, total_width, kPaper);
  const Tensor picture = blend(stage, values, is_signed, scale, options);
  for (const Rectangle& box : options.boxes)
    outline(picture, box, static_cast<double>(width) / static_cast<double>(photo.width()));
  paste(canvas, picture, kMargin, kMargin);
  if (!scale.constant) draw_bar(canvas, small, kMargin + width + kBarGap, kMargin, height, is_signed, scale);

  const int64_t room = total_width - 2 * kMargin;
  int64_t baseline = kMargin + height + kMargin / 2 + large.line_height() - 4;
  large.write(canvas, kMargin, baseline, large.shorten(title, room), kInk);
  baseline += small.line_height() + 4;
  small.write(canvas, kMargin, baseline, small.shorten(caption, room), kFaint);
  baseline += small.line_height();
  const std::string legend =
      scale.constant ? "the map is constant: " + number(values.max().item<double>()) + " " + unit
      : is_signed    ? "scale: " + unit + ", symmetric about 0, to the 99.5th percentile of |values|"
                     : "scale: " + unit + (scale.low > 0 ? ", from the 0.5th" : "") + " to the 99.5th percentile";
  small.write(canvas, kMargin, baseline, small.shorten(legend, room), kFaint);
  return canvas;
}

}  // namespace vitrail
