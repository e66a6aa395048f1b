#include <vitrail/entropy.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/special_entr.h>

#include <cmath>

#include "evaluation/complexity/magnitudes.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

const MetricDefinition<EntropyOptions>& definition() {
  static const MetricDefinition<EntropyOptions> definition({.name = "entropy",
                                                            .family = "complexity",
                                                            .aliases = {"complexity"},
                                                            .summary = "Over how many pixels the relevance is spread.",
                                                            .formula = "-sum p log p,  p = |phi| / sum |phi|",
                                                            .direction = Direction::lower,
                                                            .evidence = Evidence::map,
                                                            .range = "0 to log(H W)",
                                                            .cost = "0",
                                                            .source = "Bhatt, Weller, Moura, IJCAI 2020"},
                                                           OptionTable<EntropyOptions>({}), entropy);
  return definition;
}

}  // namespace

const MetricEntry& entropy_metric() { return definition(); }

MetricScore entropy(const MetricCase& map, const EntropyOptions& options) {
  return definition().run(map, options, [&] {
    return judge_magnitudes(map, [](const Tensor& magnitudes) {
      MetricScore score{.value = at::special_entr(magnitudes / magnitudes.sum()).sum().item<double>()};
      if (magnitudes.numel() > 1)
        score.parts["relative"] = score.value / std::log(static_cast<double>(magnitudes.numel()));
      return score;
    });
  });
}

}  // namespace vitrail
