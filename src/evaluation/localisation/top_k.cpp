#include <vitrail/top_k.h>

#include <algorithm>

#include "evaluation/localisation/region.h"
#include "evaluation/metric_impl.h"

namespace vitrail {

namespace {

/// Share of the first `k` pixels of the map that are in the region.
template <class Options>
MetricScore share_of_first(const Region& region, int64_t k, const Options& options) {
  if (is_constant(region.relevance)) return undefined_score(kConstantMap);
  return {.value = static_cast<double>(region.hits(k, options.ties, options.seed)) / static_cast<double>(k)};
}

template <class Options>
std::vector<Option<Options>> shared_rows() {
  std::vector<Option<Options>> rows = order_rows<Options>();
  rows.push_back(abs_row<Options>());
  return rows;
}

OptionTable<TopKOptions> top_k_table() {
  std::vector<Option<TopKOptions>> rows = shared_rows<TopKOptions>();
  rows.push_back(option("k", &TopKOptions::k, "first pixels of the map that are looked at; at most all", at_least(1)));
  return rows;
}

const MetricDefinition<TopKOptions>& top_k_definition() {
  static const MetricDefinition<TopKOptions> definition(
      {.name = "top_k",
       .family = "localisation",
       .aliases = {"top_k_intersection"},
       .summary = "Share of the first k pixels of the map that are in the region of the target.",
       .formula = "#(first k of phi in T) / k",
       .direction = Direction::higher,
       .evidence = Evidence::truth,
       .range = "0 to min(#T, k) / k",
       .cost = "0",
       .source = "Theiner, Mueller-Budack, Ewerth, WACV 2022"},
      top_k_table(), top_k);
  return definition;
}

const MetricDefinition<RelevanceRankOptions>& relevance_rank_definition() {
  static const MetricDefinition<RelevanceRankOptions> definition(
      {.name = "relevance_rank",
       .family = "localisation",
       .aliases = {"rra"},
       .summary = "Share of the first pixels of the map, as many as the region has, that are in the region.",
       .formula = "#(first #T of phi in T) / #T",
       .direction = Direction::higher,
       .evidence = Evidence::truth,
       .range = "0 to 1",
       .cost = "0",
       .source = "Arras, Osman, Samek, CLEVR-XAI, Information Fusion 2022"},
      shared_rows<RelevanceRankOptions>(), relevance_rank);
  return definition;
}

}  // namespace

const MetricEntry& top_k_metric() { return top_k_definition(); }
const MetricEntry& relevance_rank_metric() { return relevance_rank_definition(); }

MetricScore top_k(const MetricCase& map, const TopKOptions& options) {
  return top_k_definition().run(map, options, [&] {
    return localise(map, options.abs, [&](const Region& region) {
      const int64_t k = std::min(options.k, region.truth.numel());
      MetricScore score = share_of_first(region, k, options);
      score.parts["most"] = static_cast<double>(std::min(region.pixels, k)) / static_cast<double>(k);
      return score;
    });
  });
}

MetricScore relevance_rank(const MetricCase& map, const RelevanceRankOptions& options) {
  return relevance_rank_definition().run(map, options, [&] {
    return localise(map, options.abs,
                    [&](const Region& region) { return share_of_first(region, region.pixels, options); });
  });
}

}  // namespace vitrail
