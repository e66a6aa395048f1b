#pragma once

// Regions hidden one after the other, those first of which the map says most (s_k: the score with k regions hidden):
//
//   region_perturbation   mean over k of s_0 - s_k            squares of `patch` pixels (AOPC): higher is better
//   selectivity           area under s_k, as a mean           squares of `patch` pixels: lower is better
//   irof                  1 - area under s_k / s_0            superpixels: higher is better
//
// Regions are ordered by the mean of the map over them. Undefined for a map that says the same of all regions; irof
// also where the score of the photo is not positive.
//
// Cost        regions + 1 forwards.
// Source      Samek, Binder, Montavon, Lapuschkin, Mueller, Evaluating the Visualization of What a Deep Neural Network
//             Has Learned, TNNLS 2017; Montavon, Samek, Mueller, Methods for Interpreting and Understanding Deep Neural
//             Networks, 2018; Rieger, Hansen, IROF, 2020.

#include <vitrail/activation.h>
#include <vitrail/baseline.h>
#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

struct RegionPerturbationOptions {
  int64_t patch = 8;      ///< side of a square, in pixels
  int64_t regions = 100;  ///< hidden at most
  Baseline baseline{"black"};
  Activation activation = Activation::automatic;
};

using SelectivityOptions = RegionPerturbationOptions;

struct IrofOptions {
  int64_t grid = 8;  ///< root of the number of superpixels
  Baseline baseline{"mean"};
  Activation activation = Activation::automatic;
};

MetricScore region_perturbation(const MetricCase& map, const RegionPerturbationOptions& options = {});
MetricScore selectivity(const MetricCase& map, const SelectivityOptions& options = {});
MetricScore irof(const MetricCase& map, const IrofOptions& options = {});

}  // namespace vitrail
