#pragma once

// How a metric is defined once: its description, its options and the function that computes it. The typed call
// `deletion(map, options)` and the string "deletion:steps=20" are the same definition.
//
//   namespace {
//   const MetricDefinition<DeletionOptions>& definition() {
//     static const MetricDefinition<DeletionOptions> definition(
//         {.name = "deletion", ..., .evidence = Evidence::scores}, OptionTable<DeletionOptions>({...}), deletion);
//     return definition;
//   }
//   }  // namespace
//
//   const MetricEntry& deletion_metric() { return definition(); }
//
//   MetricScore deletion(const MetricCase& map, const DeletionOptions& options) {
//     return definition().run(map, options, [&] { the mathematics });
//   }

#include <vitrail/metric.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "attribution/options.h"

namespace vitrail {

/// A metric as the registry sees it.
class MetricEntry {
 public:
  virtual ~MetricEntry() = default;
  virtual const MetricInfo& info() const = 0;
  virtual std::unique_ptr<Metric> parse(const Settings& settings) const = 0;
};

/// The metrics of a family, in the order of the documentation: one list a folder (`FAMILY/metrics.cpp`).
using MetricList = std::vector<const MetricEntry*>;
MetricList fidelity_metrics();
MetricList stability_metrics();
MetricList robustness_metrics();
MetricList sanity_metrics();
MetricList localisation_metrics();
MetricList complexity_metrics();
MetricList alignment_metrics();
MetricList axiom_metrics();

/// UsageErrors for a map that is not floating [H,W], an input that is not [C,H,W] of its size, and evidence that is not
/// there.
void check_case(const MetricInfo& info, const MetricCase& map);

/// Why no metric has a value for this map: it holds values that are not finite. Empty where it does not.
std::string describe_non_finite_map(const Tensor& map);

/// The value does not exist.
MetricScore undefined_score(std::string reason);

template <class Options>
class MetricDefinition : public MetricEntry {
 public:
  using Score = MetricScore(const MetricCase&, const Options&);
  /// Where options turn the direction round.
  using DirectionOf = Direction(const Options&);

  MetricDefinition(MetricInfo info, OptionTable<Options> table, Score* score, DirectionOf* direction = nullptr)
      : info_(std::move(info)), table_(std::move(table)), score_(score), direction_(direction) {
    info_.options = table_.infos();
  }

  const MetricInfo& info() const override { return info_; }
  std::unique_ptr<Metric> parse(const Settings& settings) const override {
    return std::make_unique<Parsed>(*this, table_.parse(info_.name, settings));
  }

  /// `body()`, after UsageErrors for what is wrong with the call; undefined for a map that is not finite.
  template <class Body>
  MetricScore run(const MetricCase& map, const Options& options, const Body& body) const {
    check_case(info_, map);
    table_.check(info_.name, options);
    const std::string broken = describe_non_finite_map(map.map);
    return broken.empty() ? body() : undefined_score(broken);
  }

 private:
  class Parsed : public Metric {
   public:
    Parsed(const MetricDefinition& definition, Options options)
        : definition_(definition), options_(std::move(options)) {}
    const MetricInfo& info() const override { return definition_.info_; }
    std::string canonical() const override {
      const std::string options = definition_.table_.canonical(options_);
      return definition_.info_.name + (options.empty() ? "" : ":" + options);
    }
    Direction direction() const override {
      return definition_.direction_ ? definition_.direction_(options_) : definition_.info_.direction;
    }
    MetricScore score(const MetricCase& map) const override { return definition_.score_(map, options_); }

   private:
    const MetricDefinition& definition_;  ///< static: outlives every parsed metric
    Options options_;
  };

  MetricInfo info_;
  OptionTable<Options> table_;
  Score* score_;
  DirectionOf* direction_;
};

}  // namespace vitrail
