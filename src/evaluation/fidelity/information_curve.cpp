#include <vitrail/information_curve.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/quantile.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <vitrail/image.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "attribution/perturbation/imputation.h"
#include "evaluation/case_run.h"
#include "evaluation/fidelity/interpolate.h"
#include "evaluation/metric_impl.h"
#include "evaluation/pixel_order.h"

namespace vitrail {

namespace {

constexpr std::array kShares = {0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.13, 0.21, 0.34, 0.5, 0.75};

/// The input as 8-bit pixel values, double [C,H,W], and what becomes of them.
class Picture {
 public:
  explicit Picture(const MetricCase& map)
      : black_(map.scorer->pixel(0, map.input.size(0)).to(at::kDouble)),
        range_(map.scorer->pixel(255, map.input.size(0)).to(at::kDouble) - black_),
        type_(map.input.scalar_type()),
        pixels_(rounded((map.input.to(at::kDouble) - black_) / range_ * 255)) {}

  const Tensor& pixels() const { return pixels_; }

  /// Where only the pixels in `known`, bool [H,W], are known.
  Tensor blurred(const Tensor& known) const {
    return rounded(impute(pixels_, known.logical_not(), Neighbours::four, 0, 0, 0));
  }

  Tensor as_input(const Tensor& pixels) const { return (black_ + pixels / 255 * range_).to(type_); }

  static double bytes(const Tensor& pixels) {
    const Tensor colours = pixels.to(at::kByte).permute({1, 2, 0}).expand({pixels.size(1), pixels.size(2), 3});
    return static_cast<double>(encode_png(colours).size());
  }

 private:
  static Tensor rounded(const Tensor& values) { return values.round().clamp(0, 255); }

  Tensor black_, range_;
  at::ScalarType type_;
  Tensor pixels_;
};

/// bool [H,W]: the corners and a share of the pixels, drawn at random.
Tensor known_at_first(const Tensor& map, const InformationCurveOptions& options) {
  const auto count = static_cast<int64_t>(options.known * static_cast<double>(map.numel()));
  Tensor known = pixel_ranks(at::zeros_like(map), Ties::random, options.seed) < count;
  for (const int64_t y : {int64_t{0}, map.size(0) - 1})
    for (const int64_t x : {int64_t{0}, map.size(1) - 1}) known[y][x] = true;
  return known;
}

/// bool [H,W]: the pixels with the largest values, all of those that are equal.
Tensor largest(const Tensor& map, double share) {
  const Tensor values = map.to(at::kDouble);
  return values >= at::quantile(values, 1 - share);
}

/// `map`: its scorer gives the performance.
MetricScore information_curve(const MetricCase& map, const Picture& picture, const InformationCurveOptions& options) {
  if (is_constant(map.map)) return undefined_score(kConstantMap);
  if (map.input.size(0) != 1 && map.input.size(0) != 3)
    return undefined_score("the input has " + std::to_string(map.input.size(0)) + " channels; a picture has 1, or 3");
  CaseRun run(map, Activation::automatic);
  const auto scores_of = [&](const Tensors& pictures) {
    return run.score(static_cast<int64_t>(pictures.size()), [&](int64_t first, int64_t n) {
      Tensors inputs;
      for (int64_t i = first; i < first + n; ++i) inputs.push_back(picture.as_input(pictures[static_cast<size_t>(i)]));
      return at::stack(inputs);
    });
  };
  const Tensor known = known_at_first(map.map, options), blurred = picture.blurred(known);
  const double least = Picture::bytes(blurred), most = Picture::bytes(picture.pixels());
  if (least >= most) return undefined_score("the blurred photo takes as many bytes as the photo itself");
  const Tensor ends = scores_of({blurred, picture.pixels()});
  const double low = ends[0].item<double>(), high = ends[1].item<double>();
  if (!(high >= options.minimum)) return undefined_score("the score of the photo is below `minimum`");
  if (low >= high) return undefined_score("the blurred photo has as high a score as the photo itself");

  Tensors sharpened;
  for (const double share : kShares) sharpened.push_back(picture.blurred(largest(map.map, share).logical_or(known)));
  const Tensor scores = scores_of(sharpened);
  std::vector<std::pair<double, double>> points;
  double best = 0;
  for (size_t k = 0; k < sharpened.size(); ++k) {
    const double information = std::clamp((Picture::bytes(sharpened[k]) - least) / (most - least), 0.0, 1.0);
    const double performance =
        std::clamp((scores[static_cast<int64_t>(k)].item<double>() - low) / (high - low), 0.0, 1.0);
    best = std::max(best, performance);
    points.emplace_back(information, options.monotone ? best : performance);
  }
  points.emplace_back(0, 0);
  points.emplace_back(1, 1);
  MetricScore score;
  score.curve_x = at::linspace(0, 1, options.points + 1, at::kDouble);
  score.curve_y = interpolate(std::move(points), options.points);
  score.value = mean_height(score.curve_y);
  score.forwards = run.forwards();
  return score;
}

OptionTable<InformationCurveOptions> options_table() {
  using Options = InformationCurveOptions;
  return OptionTable<Options>(
      {option("minimum", &Options::minimum, "photos of a lower score are left out"),
       option("known", &Options::known, "share of random pixels that the blurred photo is made of", between(0, 0.9)),
       option("monotone", &Options::monotone, "performance never falls along the curve"),
       option("points", &Options::points, "of the curve, less one", between(1, 100000)),
       option("seed", &Options::seed, "of the random pixels")});
}

MetricInfo describe(std::string name, std::string summary, std::string performance, Evidence evidence) {
  return {
      .name = std::move(name),
      .family = "fidelity",
      .summary = std::move(summary),
      .formula = "area under " + std::move(performance) + " over (bytes(x_k) - bytes(x_0)) / (bytes(x) - bytes(x_0))",
      .direction = Direction::higher,
      .evidence = evidence,
      .range = "0 to 1",
      .curve = "share of the photo's information that is shown",
      .cost = std::to_string(kShares.size() + 2),
      .source = "Kapishnikov, Bolukbasi, Viegas, Terry, XRAI, ICCV 2019"};
}

const MetricDefinition<SicOptions>& sic_definition() {
  static const MetricDefinition<SicOptions> definition(
      describe("sic", "Sharpens a blurred photo where the map says most: how soon the probability is back, by bytes.",
               "(s(x_k) - s(x_0)) / (s(x) - s(x_0))", Evidence::scores),
      options_table(), sic);
  return definition;
}

const MetricDefinition<AicOptions>& aic_definition() {
  static const MetricDefinition<AicOptions> definition(
      describe("aic", "Sharpens a blurred photo where the map says most: how soon the class wins again, by bytes.",
               "(the class wins for x_k)", Evidence::model),
      options_table(), aic);
  return definition;
}

}  // namespace

const MetricEntry& sic_metric() { return sic_definition(); }
const MetricEntry& aic_metric() { return aic_definition(); }

MetricScore sic(const MetricCase& map, const SicOptions& options) {
  return sic_definition().run(map, options, [&] { return information_curve(map, Picture(map), options); });
}

MetricScore aic(const MetricCase& map, const AicOptions& options) {
  return aic_definition().run(map, options, [&] {
    const Target& target = map.target;
    if (target.function || target.index < 0 || target.versus >= 0 || map.model->classes() < 2)
      return undefined_score("the target is not one of several classes");
    const CallableScorer wins(
        [&](const Tensor& x) { return (map.model->plan_logits(x).argmax(1, true) == target.index).to(at::kDouble); });
    MetricCase accuracy = map;
    accuracy.scorer = &wins;
    accuracy.probability = nullptr;
    return information_curve(accuracy, Picture(map), options);
  });
}

}  // namespace vitrail
