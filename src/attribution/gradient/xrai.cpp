#include <vitrail/xrai.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <vitrail/regions.h>

#include <algorithm>
#include <cmath>

#include "attribution/explain_image.h"
#include "attribution/gradient/path_integral.h"
#include "attribution/gradient/target_gradients.h"
#include "attribution/method_impl.h"

namespace vitrail {

namespace {

using Options = XraiOptions;

PathRule rule_of(const Options& options) { return {options.steps, options.max_steps, options.tolerance}; }

Method::Cost cost(const Options& options, int64_t, int64_t, int64_t targets) {
  const Method::Cost once = cost_of(rule_of(options), targets);
  return {2 * once.forwards, 2 * once.backwards};
}

const MethodDefinition<Options, DifferentiableScorer>& definition() {
  static const MethodDefinition<Options, DifferentiableScorer> definition(
      {.name = "xrai",
       .family = "gradient",
       .summary = "Integrated gradients from black and white, averaged over superpixels that are ranked by their mean.",
       .formula =
           "mean over a region of integrated gradients from black and white; a pixel takes that of its best region",
       .cost = "twice that of integrated_gradients",
       .guarantees = "completeness: the map adds up to the mean rise from both baselines within the reported gap",
       .source = "Kapishnikov, Bolukbasi, Viegas, Terry: XRAI, ICCV 2019",
       .access = Access::gradient,
       .repeats_gradients = true,
       .is_signed = true,
       .unit = "logit"},
      OptionTable<Options>({
          option("finest", &Options::finest, "root of the number of the smallest superpixels", between(1, 128)),
          option("divisions", &Options::divisions, "each has half as many superpixels as the one before",
                 between(1, 16)),
          option("steps", &Options::steps, "equal intervals of each path to begin with", at_least(1)),
          option("max_steps", &Options::max_steps, "the worst are halved until there are this many", at_least(1)),
          option("tolerance", &Options::tolerance, "largest gap as a share of |score - score(baseline)|", at_least(0)),
      }),
      xrai, cost);
  return definition;
}

std::vector<LabelMap> divide(const Tensor& input, const Options& options) {
  const int64_t finest = std::min({options.finest, input.size(1), input.size(2)});
  std::vector<LabelMap> divisions;
  int64_t before = 0;
  for (int64_t i = 0; i < options.divisions; ++i) {
    const double count = std::ldexp(static_cast<double>(finest * finest), static_cast<int>(-i));
    if (count < 1) break;
    const auto side = std::lround(std::sqrt(count));
    if (side != before) divisions.push_back(Regions("slic").divide(input, side));
    before = side;
  }
  return divisions;
}

/// Regions in the order of their means over pixels that no region before them has.
class Ranking {
 public:
  Ranking(const Tensor& attribution, const std::vector<LabelMap>& divisions)
      : values_(attribution.contiguous()), result_(at::zeros_like(values_)), left_(values_.numel()) {
    const double* value = values_.data_ptr<double>();
    covered_.resize(static_cast<size_t>(left_), false);
    for (const LabelMap& map : divisions) {
      Division& division = divisions_.emplace_back();
      const Tensor labels = map.labels.contiguous();
      division.label = {labels.data_ptr<int64_t>(), labels.data_ptr<int64_t>() + left_};
      division.regions.resize(static_cast<size_t>(map.count));
      for (size_t p = 0; p < division.label.size(); ++p) {
        Region& region = division.regions[static_cast<size_t>(division.label[p])];
        region.pixels.push_back(p);
        region.sum += value[p];
      }
      for (Region& region : division.regions) region.left = static_cast<int64_t>(region.pixels.size());
    }
  }

  /// Every pixel the mean of the region that took it.
  Tensor map() {
    constexpr double least_share = 1e-3;
    const auto least = std::max<int64_t>(1, std::lround(least_share * static_cast<double>(left_)));
    while (take_best(least)) {
    }
    while (take_best(1)) {
    }
    return result_;
  }

 private:
  struct Region {
    std::vector<size_t> pixels;
    double sum = 0;  ///< of the pixels left
    int64_t left = 0;
    double mean() const { return sum / static_cast<double>(left); }
  };
  struct Division {
    std::vector<int64_t> label;
    std::vector<Region> regions;
  };

  bool take_best(int64_t least) {
    Region* best = nullptr;
    for (Division& division : divisions_)
      for (Region& region : division.regions)
        if (region.left >= least && (!best || region.mean() > best->mean())) best = &region;
    if (!best) return false;
    const double mean = best->mean();
    for (const size_t p : best->pixels)
      if (!covered_[p]) cover(p, mean);
    return true;
  }

  void cover(size_t p, double mean) {
    covered_[p] = true;
    result_.data_ptr<double>()[p] = mean;
    for (Division& division : divisions_) {
      Region& region = division.regions[static_cast<size_t>(division.label[p])];
      region.sum -= values_.data_ptr<double>()[p];
      --region.left;
    }
  }

  Tensor values_, result_;  ///< float64 [H,W]
  int64_t left_;
  std::vector<bool> covered_;
  std::vector<Division> divisions_;
};

void explain_input(MethodRun& run, const DifferentiableScorer& scorer, const Options& options) {
  const Tensor& x = run.input();
  const Tensor black = scorer.pixel(0, x.size(0)).to(x.options()).expand_as(x);
  const Tensor white = scorer.pixel(255, x.size(0)).to(x.options()).expand_as(x);
  const auto from_black = integrate(run, scorer, black, rule_of(options));
  const auto from_white = integrate(run, scorer, white, rule_of(options));
  set_scores(run, from_black);
  const std::vector<LabelMap> divisions = divide(x, options);
  for (size_t t = 0; t < run.results().size(); ++t) {
    Explanation& result = run.results()[t];
    const Tensor attribution = ((from_black[t].map + from_white[t].map) / 2).cpu();
    result.map = Ranking(attribution, divisions).map();
    result.extras["attribution"] = attribution;
    if (from_black[t].gap && from_white[t].gap) result.completeness_gap = (*from_black[t].gap + *from_white[t].gap) / 2;
    result.plan["nodes"] = std::to_string(from_black[t].nodes) + " + " + std::to_string(from_white[t].nodes);
    result.plan["divisions"] = std::to_string(divisions.size());
  }
}

}  // namespace

const MethodEntry& xrai_method() { return definition(); }

std::vector<Explanation> xrai(const DifferentiableScorer& scorer, const Tensor& inputs, const Options& options,
                              const Execution& execution) {
  return definition().run(scorer, inputs, options, execution, [&](MethodRun& run) {
    warn_of_flat_operators(run, scorer);
    explain_input(run, scorer, options);
  });
}

std::vector<Explanation> xrai(const Model& model, const Image& image, const std::string& target,
                              const Options& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return xrai(probe, input, options); });
}

}  // namespace vitrail
