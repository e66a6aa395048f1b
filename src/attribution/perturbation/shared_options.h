#pragma once

// Option rows that several perturbation methods have, worded once.

#include <vitrail/perturbation.h>
#include <vitrail/regions.h>

#include <vector>

#include "attribution/options.h"

namespace vitrail {

void read_value(const std::string& text, Regions& value);
std::string write_value(const Regions& value);

template <class Options>
using OptionRows = std::vector<Option<Options>>;

template <class Options>
OptionRows<Options> operator+(OptionRows<Options> a, const OptionRows<Options>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline constexpr const char* baseline_words =
    "what is hidden becomes: zero, black, white, a pixel value, mean, blur, noise, uniform, inpaint, linear, "
    "dataset:DIR "
    "or samples:DIR";

/// Cells along a side where a linear model of all cells is solved: its matrices have the fourth power of it.
inline constexpr int64_t most_regressed_side = 32;

/// How the image is divided and what hides a part of it.
template <class Options>
OptionRows<Options> region_rows(int64_t most_cells_a_side = 128) {
  return {option("grid", &Options::grid, "cells along a side; of slic, the root of their number",
                 between(1, static_cast<double>(most_cells_a_side))),
          option("regions", &Options::regions, "grid, slic, or a picture in which every colour is a region"),
          option("baseline", &Options::baseline, baseline_words)};
}

template <class Options>
Option<Options> operation_row() {
  return choice("operation", &Options::operation, "what the value of a cell does to its pixels",
                {{"inpainting", Operation::inpainting},
                 {"amplitude", Operation::amplitude},
                 {"amplitude_legacy", Operation::amplitude_legacy}});
}

template <class Options>
Option<Options> sizes_row() {
  return choice("sizes", &Options::sizes,
                "how many regions a coalition shows: as the Shapley kernel says, or any alike",
                {{"kernel", CoalitionSizes::kernel}, {"leverage", CoalitionSizes::leverage}});
}

template <class Options>
Option<Options> sampler_row() {
  return choice("sampler", &Options::sampler, "how points are drawn",
                {{"lhs", Sampler::lhs},
                 {"owen", Sampler::owen},
                 {"halton", Sampler::halton},
                 {"monte_carlo", Sampler::monte_carlo},
                 {"sobol", Sampler::sobol}});
}

/// What is sampled by `pick_freeze.h`.
template <class Options>
OptionRows<Options> pick_freeze_rows() {
  return {
      option("designs", &Options::designs, "points of one replicate; a power of two for owen", at_least(2)),
      option("replicates", &Options::replicates, "independent designs at most, for the standard error", at_least(1)),
      option("seed", &Options::seed, "of the designs"), sampler_row<Options>(), operation_row<Options>()};
}

template <class Options>
Option<Options> smoothing_row() {
  return option("smoothing", &Options::smoothing, "share of the neighbours' mean in each cell of a grid",
                between(0, 1));
}

/// When a run may end before its last replicate (settle.h).
template <class Options>
OptionRows<Options> settle_rows() {
  return {option("tolerance", &Options::tolerance,
                 "stop when every cell is known to this share of the map's range (95 %); 0: do not", at_least(0)),
          option("top", &Options::top, "stop when the set of this many largest cells is known (95 %); 0: do not",
                 at_least(0))};
}

}  // namespace vitrail
