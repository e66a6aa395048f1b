#pragma once

// What the metrics of stability share: inputs around the photo, explained by the method of the map.

#include <vitrail/metric.h>
#include <vitrail/tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "attribution/options.h"

namespace vitrail {

/// Changes drawn uniformly on [low, high), for every value of the input by itself.
struct Neighbourhood {
  int64_t samples;
  double low, high;
  uint64_t seed;
};

/// The ball that most metrics draw from.
template <class Options>
Neighbourhood ball(const Options& options) {
  return {options.samples, -options.radius, options.radius, options.seed};
}

/// How one neighbour differs from the photo.
struct Change {
  Tensor neighbour;  ///< the changed input [C,H,W]
  Tensor map;        ///< of the neighbour, less that of the photo: float64 [H,W]
  double score = 0;
};

/// Of the input: float64 [C,H,W].
Tensor movement(const MetricCase& map, const Change& change);

enum class Over { mean, maximum };

/// The mean or maximum of `number(change)` over the neighbours, with parts["output_change"]. Undefined where a
/// neighbour has no number. Throws CancelledError.
MetricScore over_neighbours(const MetricCase& map, const Neighbourhood& neighbourhood, Over over,
                            const std::function<double(const Change&)>& number);

double norm_of(const Tensor& tensor);

/// What every metric of stability says of itself.
MetricInfo describe_stability(std::string name, std::string summary, std::string formula, std::string range,
                              std::string source);

template <class Options>
std::vector<Option<Options>> neighbour_rows() {
  return {option("samples", &Options::samples, "neighbours that are explained", at_least(1)),
          option("radius", &Options::radius, "of the neighbours, in the model's input values", positive()),
          option("seed", &Options::seed, "of the neighbours")};
}

}  // namespace vitrail
