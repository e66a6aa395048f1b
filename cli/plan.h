#pragma once

// How scores are computed: by a plan made here, by one that a former run recorded, or by the graph as it is.

#include <vitrail/model.h>
#include <vitrail/run_record.h>

#include <CLI/CLI.hpp>
#include <map>
#include <string>

namespace vitrail::cli {

struct PlanArguments {
  std::string plan = "auto", precision = "float32", incremental = "auto";

  /// Where a run that goes on must give the same bytes: what pays is found by timing, and not the same every time.
  static PlanArguments of_whole_images();

  /// With the values that the members have as the defaults.
  void add_to(CLI::App& app);

  /// What can be known beforehand: a file named is there and holds a plan.
  void check() const { parse(); }

  /// What a run record says of the plan: what was asked for, and of `none` and of a file what it stands for.
  void describe(RunRecord& run) const;

  /// Takes the plan of an earlier run of the same command where the choice is `auto`: all its results are by one plan.
  void replay(const RunRecord& run);

  /// The model with its plan, made on `input` [1,C,H,W]; for gradients too where they are asked for. Where memory runs
  /// out, `batch` is halved and the plan made again; of one sample the OutOfMemoryError is passed on.
  Model apply(const Model& model, const Tensor& input, bool gradients, int64_t& batch) const;

 private:
  struct Choice {
    bool wanted = true;
    PlanOptions options = {};
  };
  Choice parse() const;
  static Choice read_choice(const std::map<std::string, std::string>& recorded, const std::string& where);

  std::map<std::string, std::string> replayed_;
};

}  // namespace vitrail::cli
