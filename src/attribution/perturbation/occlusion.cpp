#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <vitrail/occlusion.h>

#include <algorithm>
#include <cmath>

#include "attribution/explain_image.h"
#include "attribution/method_impl.h"
#include "attribution/perturbation/fill.h"
#include "attribution/perturbation/hide_one.h"
#include "attribution/perturbation/masks.h"
#include "attribution/perturbation/shared_options.h"

namespace vitrail {

namespace {

/// The windows of one image size, numbered row by row.
struct Windows {
  int64_t patch, stride, rows, columns;

  int64_t count() const { return rows * columns; }
  int64_t top(int64_t window) const { return window / columns * stride; }
  int64_t left(int64_t window) const { return window % columns * stride; }
};

Windows windows_of(const OcclusionOptions& options, int64_t height, int64_t width) {
  const int64_t shorter = std::min(height, width);
  const int64_t automatic = std::max<int64_t>(1, std::lround(static_cast<double>(shorter) / 7));
  const int64_t patch = options.patch == 0 ? automatic : options.patch;
  const int64_t stride = options.stride == 0 ? std::max<int64_t>(1, patch / 2) : options.stride;
  if (patch > shorter)
    throw UsageError("occlusion: found patch=" + std::to_string(patch) + " for an image of " + std::to_string(height) +
                     " x " + std::to_string(width) + " pixels, expected at most " + std::to_string(shorter) + ".");
  return {patch, stride, (height - patch) / stride + 1, (width - patch) / stride + 1};
}

/// Every pixel the sum of the values of the windows that cover it. Plain sums, so that a NaN stays in its window.
Tensor sum_over_windows(const Tensor& values, const Windows& windows, int64_t height, int64_t width) {
  Tensor map = at::zeros({height, width}, at::kDouble);
  const auto value = values.accessor<double, 1>();
  auto pixel = map.accessor<double, 2>();
  for (int64_t w = 0; w < windows.count(); ++w)
    for (int64_t y = windows.top(w); y < windows.top(w) + windows.patch; ++y)
      for (int64_t x = windows.left(w); x < windows.left(w) + windows.patch; ++x) pixel[y][x] += value[w];
  return map;
}

/// The image with the windows hidden of which the numbers are given; -1: as it is.
Tensor hide(const MethodRun& run, const Windows& windows, const Fill& fill, const std::vector<int64_t>& hidden) {
  const auto n = static_cast<int64_t>(hidden.size());
  const Tensor masks = at::ones({n, 1, run.height(), run.width()}, run.input().options());
  for (int64_t i = 0; i < n; ++i)
    if (const int64_t w = hidden[static_cast<size_t>(i)]; w >= 0)
      masks[i].narrow(1, windows.top(w), windows.patch).narrow(2, windows.left(w), windows.patch).zero_();
  std::vector<int64_t> numbers = hidden;
  std::replace(numbers.begin(), numbers.end(), int64_t{-1}, int64_t{0});
  return apply_masks(run.input(), fill.values(masks, numbers), masks);
}

Places places_of(const MethodRun& run, const Windows& windows, const Fill& fill) {
  Places places{.name = "windows",
                .rectangles = {},
                .images = [&](const std::vector<int64_t>& hidden) { return hide(run, windows, fill, hidden); },
                .pixels = {}};
  for (int64_t w = 0; w < windows.count(); ++w)
    places.rectangles.push_back({windows.top(w), windows.left(w), windows.patch, windows.patch});
  if (!fill.depends_on_mask())
    places.pixels = [&](int64_t w) {
      const Tensor values = fill.of_point(w).expand_as(run.input());
      return values.narrow(1, windows.top(w), windows.patch).narrow(2, windows.left(w), windows.patch);
    };
  return places;
}

void explain_input(MethodRun& run, const Scorer& scorer, const OcclusionOptions& options) {
  const Windows windows = windows_of(options, run.height(), run.width());
  const Fill fill(options.baseline, run.input(), scorer);
  const Tensor drops = score_drops(run, places_of(run, windows, fill)).t().contiguous();  // [T,windows]
  const Tensor coverage = sum_over_windows(drops[0].new_ones({windows.count()}), windows, run.height(), run.width());
  for (int64_t t = 0; t < run.targets(); ++t) {
    Explanation& result = run.results()[static_cast<size_t>(t)];
    result.map = sum_over_windows(drops[t], windows, run.height(), run.width());
    if (options.normalise_coverage) result.map /= coverage.clamp_min(1);
    result.cells = drops[t].view({windows.rows, windows.columns});
    result.plan["patch"] = std::to_string(windows.patch);
    result.plan["stride"] = std::to_string(windows.stride);
    result.plan["windows"] = std::to_string(windows.rows) + "x" + std::to_string(windows.columns);
  }
}

Method::Cost cost(const OcclusionOptions& options, int64_t height, int64_t width, int64_t) {
  return {.forwards = 1 + windows_of(options, height, width).count()};
}

const MethodDefinition<OcclusionOptions, Scorer>& definition() {
  using Options = OcclusionOptions;
  static const MethodDefinition<Options, Scorer> definition(
      {.name = "occlusion",
       .family = "perturbation",
       .summary = "Hides one window of the image at a time and adds up how much the score drops.",
       .formula = "sum over windows a that cover the pixel of g(x) - g(x with window a replaced by b)",
       .cost = "1 + ceil((height - patch + 1) / stride) x ceil((width - patch + 1) / stride)",
       .guarantees = "Deterministic. Exact w_i (x_i - b_i) for a linear score and windows of one pixel.",
       .source = "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014",
       .access = Access::scorer,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>({
          option("patch", &Options::patch, "side of the window in pixels; 0: a seventh of the shorter side",
                 at_least(0)),
          option("stride", &Options::stride, "step of the window in pixels; 0: half of the patch", at_least(0)),
          option("baseline", &Options::baseline, baseline_words),
          option("normalise_coverage", &Options::normalise_coverage,
                 "divide by the number of windows that cover a pixel"),
      }),
      occlusion, cost);
  return definition;
}

}  // namespace

const MethodEntry& occlusion_method() { return definition(); }

std::vector<Explanation> occlusion(const Scorer& scorer, const Tensor& inputs, const OcclusionOptions& options,
                                   const Execution& execution) {
  return definition().run(scorer, inputs, options, execution,
                          [&](MethodRun& run) { explain_input(run, scorer, options); });
}

std::vector<Explanation> occlusion(const Model& model, const Image& image, const std::string& target,
                                   const OcclusionOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return occlusion(probe, input, options); });
}

}  // namespace vitrail
