#pragma once

// How a method is defined once: its description, its options and the function that computes it. The typed
// call `sobol(scorer, inputs, options)` and the string "sobol:grid=8" are the same definition.
//
//   namespace {
//   Method::Cost cost(const RiseOptions& options, int64_t height, int64_t width, int64_t targets) {...}
//   const MethodDefinition<RiseOptions, Scorer>& definition() {
//     static const MethodDefinition<RiseOptions, Scorer> definition(
//         {.name = "rise", .summary = "...", ..., .access = Access::scorer}, OptionTable<RiseOptions>({...}), rise,
//         cost);
//     return definition;
//   }
//   }  // namespace
//
//   const MethodEntry& rise_method() { return definition(); }
//
//   std::vector<Explanation> rise(const Scorer& scorer, const Tensor& inputs, const RiseOptions& options,
//                                 const Execution& execution) {
//     return definition().run(scorer, inputs, options, execution, [&](MethodRun& run) { the mathematics });
//   }

#include <vitrail/error.h>
#include <vitrail/method.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "attribution/options.h"
#include "attribution/place.h"
#include "attribution/run.h"

namespace vitrail {

/// A method as the registry sees it.
class MethodEntry {
 public:
  virtual ~MethodEntry() = default;
  virtual const MethodInfo& info() const = 0;
  virtual std::unique_ptr<Method> parse(const Settings& settings) const = 0;
};

/// The methods of a family, in the order of the documentation: one list a folder (`FAMILY/methods.cpp`).
using MethodList = std::vector<const MethodEntry*>;
MethodList gradient_methods();
MethodList cam_methods();
MethodList relevance_methods();
MethodList perturbation_methods();
MethodList control_methods();

/// UsageErrors for inputs that are not floating [N,C,H,W] with N, C, H, W >= 1, a batch below 1, no target.
void check_call(const std::string& method, const Scorer& scorer, const Tensor& inputs, const Execution& execution);

/// UsageError: the scorer cannot do what the method needs.
[[noreturn]] void refuse_access(const MethodInfo& info);

/// What a zero map means to a method of this access.
std::string why_zero(Access access);

/// `ScorerType` is what the method asks for: Scorer, DifferentiableScorer or Probe.
template <class Options, class ScorerType>
class MethodDefinition : public MethodEntry {
 public:
  using Explain = std::vector<Explanation>(const ScorerType&, const Tensor&, const Options&, const Execution&);
  using CostOf = Method::Cost(const Options&, int64_t height, int64_t width, int64_t targets);
  /// Methods that ask for layers have a `layer` of their own, with a meaning of its own.
  static constexpr bool takes_layer = !std::is_same_v<ScorerType, Probe>;

  /// Where the cost depends on the network; `cost` says then what is known without.
  using CostOn = Method::Cost(const Options&, const ScorerType&, int64_t height, int64_t width);

  MethodDefinition(MethodInfo info, const OptionTable<Options>& table, Explain* explain, CostOf* cost,
                   CostOn* cost_on = nullptr)
      : info_(std::move(info)),
        table_(with_place(table, takes_layer, info_.family == "gradient")),
        explain_(explain),
        cost_(cost),
        cost_on_(cost_on) {
    info_.options = table_.infos();
  }

  const MethodInfo& info() const override { return info_; }

  std::unique_ptr<Method> parse(const Settings& settings) const override {
    return std::make_unique<Parsed>(*this, table_.parse(info_.name, settings));
  }

  Method::Cost cost_on(const Options& options, const ScorerType& scorer, int64_t height, int64_t width) const {
    if (cost_on_) return cost_on_(options, scorer, height, width);
    return cost_(options, height, width, static_cast<int64_t>(scorer.targets().size()));
  }

  std::string canonical(const Placed<Options>& options) const { return info_.name + ":" + table_.canonical(options); }

  /// Calls `body(MethodRun&)` for every input and collects the results.
  template <class Body>
  std::vector<Explanation> run(const ScorerType& scorer, const Tensor& inputs, const Options& options,
                               const Execution& execution, const Body& body) const {
    check_call(info_.name, scorer, inputs, execution);
    table_.check(info_.name, {options, {}});
    Explanation common;
    common.method = canonical({options, {}});
    common.name = info_.name;
    common.is_signed = info_.is_signed;
    common.unit = info_.unit;
    common.plan = scorer.engine();
    common.plan["batch"] = std::to_string(execution.batch);
    if constexpr (requires { options.seed; }) common.seed = options.seed;
    if constexpr (requires { options.baseline; }) common.baseline = options.baseline.name();
    const Method::Cost cost = cost_on(options, scorer, inputs.size(2), inputs.size(3));

    std::vector<Explanation> results;
    for (int64_t i = 0; i < inputs.size(0); ++i) {
      MethodRun run(scorer, inputs[i].detach(), execution, common, cost.forwards + cost.backwards);
      body(run);
      for (Explanation& result : run.finish(why_zero(info_.access))) results.push_back(std::move(result));
    }
    return results;
  }

 private:
  class Parsed : public Method {
   public:
    Parsed(const MethodDefinition& definition, Placed<Options> options)
        : definition_(definition), options_(std::move(options)) {}
    const MethodInfo& info() const override { return definition_.info_; }
    std::string canonical() const override { return definition_.canonical(options_); }
    std::vector<Explanation> explain(const Scorer& scorer, const Tensor& inputs,
                                     const Execution& execution) const override {
      const auto* enough = dynamic_cast<const ScorerType*>(&scorer);
      if (!enough) refuse_access(definition_.info_);
      const auto explain = [&](const ScorerType& behind, const Tensor& values) {
        auto results = definition_.explain_(behind, values, options_.own, execution);
        finish_maps(results, canonical(), options_.place);
        return results;
      };
      if constexpr (takes_layer) {
        if (options_.place.layer != Place::input) {
          check_call(definition_.info_.name, scorer, inputs, execution);
          return explain_layer(definition_.info_.name, scorer, inputs, options_.place.layer, explain);
        }
      }
      return explain(*enough, inputs);
    }
    Cost cost(int64_t height, int64_t width, int64_t targets) const override {
      return definition_.cost_(options_.own, height, width, targets);
    }
    Cost cost_on(const Scorer& scorer, int64_t height, int64_t width) const override {
      const auto* enough = dynamic_cast<const ScorerType*>(&scorer);
      if (!enough) refuse_access(definition_.info_);
      return definition_.cost_on(options_.own, *enough, height, width);
    }

   private:
    const MethodDefinition& definition_;  ///< static: outlives every parsed method
    Placed<Options> options_;
  };

  MethodInfo info_;
  OptionTable<Placed<Options>> table_;
  Explain* explain_;
  CostOf* cost_;
  CostOn* cost_on_;
};

}  // namespace vitrail
