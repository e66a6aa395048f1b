#include <vitrail/auc.h>

#include "base/ranks.h"
#include "evaluation/localisation/region.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

/// By the sum of the ranks inside (Mann and Whitney).
MetricScore area(const Region& region) {
  const int64_t outside = region.truth.numel() - region.pixels;
  if (outside == 0) return undefined_score("the region is the whole image: there is no outside to tell it from");
  const Tensor relevance = region.relevance.contiguous(), truth = region.truth.contiguous();
  const std::vector<double> ranks =
      ranks_of({relevance.const_data_ptr<double>(), static_cast<size_t>(relevance.numel())});
  double sum = 0;
  for (size_t i = 0; i < ranks.size(); ++i)
    if (truth.const_data_ptr<bool>()[i]) sum += ranks[i];
  const auto inside = static_cast<double>(region.pixels);
  return {.value = (sum - inside * (inside + 1) / 2) / (inside * static_cast<double>(outside))};
}

const MetricDefinition<AucOptions>& definition() {
  static const MetricDefinition<AucOptions> definition(
      {.name = "auc",
       .family = "localisation",
       .aliases = {"roc_auc"},
       .summary = "Area under the ROC curve of the map as a detector of the target's region.",
       .formula = "P(phi inside T > phi outside) + P(equal) / 2",
       .direction = Direction::higher,
       .evidence = Evidence::truth,
       .range = "0 to 1; 0.5 by chance",
       .cost = "0",
       .source = "Fawcett, An introduction to ROC analysis, 2006"},
      OptionTable<AucOptions>({abs_row<AucOptions>()}), auc);
  return definition;
}

}  // namespace

const MetricEntry& auc_metric() { return definition(); }

MetricScore auc(const MetricCase& map, const AucOptions& options) {
  return definition().run(map, options, [&] { return localise(map, options.abs, area); });
}

}  // namespace vitrail
