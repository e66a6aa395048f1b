#pragma once

// How scores are computed: by a plan made here, by one that a former run recorded, or by the graph as it is.

#include <vitrail/model.h>

#include <CLI/CLI.hpp>
#include <string>

namespace vitrail::cli {

struct PlanArguments {
  std::string plan = "auto", precision = "float32", incremental = "auto";

  void add_to(CLI::App& app);

  /// What can be known beforehand: a file named is there and holds a plan.
  void check() const { parse(); }

  /// The model with its plan, made on `input` [1,C,H,W]. Where memory runs out, `batch` is halved and the plan made
  /// again; of one sample the OutOfMemoryError is passed on.
  Model apply(const Model& model, const Tensor& input, int64_t& batch) const;

 private:
  struct Choice {
    bool wanted = true;
    PlanOptions options = {};
  };
  Choice parse() const;
};

}  // namespace vitrail::cli
