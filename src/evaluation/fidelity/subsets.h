#pragma once

// Subsets of an image's cells, what a map says of each and what hiding each does.

#include <vitrail/mu_fidelity.h>
#include <vitrail/tensor.h>

#include <cstdint>

#include "attribution/perturbation/fill.h"
#include "evaluation/case_run.h"

namespace vitrail {

/// The cell of every pixel, int64 [height width]: `grid` x `grid` cells, by nearest neighbour.
Tensor cells_of_grid(int64_t height, int64_t width, int64_t grid);

/// Subset number `index` of `count` cells, bool [count]: each with a probability, or exactly `size` of them.
Tensor draw_bernoulli(int64_t count, double probability, uint64_t seed, uint64_t index);
Tensor draw_fixed(int64_t count, int64_t size, uint64_t seed, uint64_t index);

/// A sum of the map's values over the cells of every subset, float64 [n].
Tensor sums_over(const Tensor& map, const Tensor& cells, const Tensor& subsets);

/// How much the score drops when the cells of a subset are hidden, for every subset [n,count]: float64 [n].
Tensor drops_of(CaseRun& run, const Fill& fill, const Tensor& input, const Tensor& cells, const Tensor& subsets);

/// NaN where one of the lists is constant.
double correlate(const Tensor& a, const Tensor& b, Correlation kind);

inline constexpr const char* kConstantDrops =
    "hiding parts of the photo changes the score by the same each time, or the map says the same of all of them";

}  // namespace vitrail
