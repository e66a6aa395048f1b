#pragma once

// How far apart two maps [H,W] of the same size are. Rank correlations do not see scale; L1 and L2 do, and compare maps
// of the same unit only. Numbers of different distances are not comparable.
//
//   sqrt_abs_spearman       sqrt(1 - |rho|)           a map and its negative are alike
//   one_minus_abs_spearman  1 - |rho|                 likewise
//   one_minus_spearman      1 - rho                   0 to 2: the sign counts
//   l1, l2                  sum |a - b|, sqrt(sum (a - b)^2)
//   ssim                    1 - SSIM (Gaussian window of 11 pixels, sigma 1.5)
//
// rho is Spearman's, with mean ranks for ties: coarse maps are full of them.

#include <vitrail/tensor.h>

#include <string>
#include <vector>

namespace vitrail {

enum class MapDistance { sqrt_abs_spearman, one_minus_abs_spearman, one_minus_spearman, l1, l2, ssim };

/// "l1", "ssim" ...: as it is spelled above.
std::string name_of(MapDistance distance);
/// UsageError, naming the nearest one, for another name.
MapDistance parse_map_distance(const std::string& name);
/// Their names, in the order above.
std::vector<std::string> map_distances();

/// NaN where it does not exist: of values that are not finite, and of ranks where a map is constant.
double map_distance(const Tensor& a, const Tensor& b, MapDistance distance);

}  // namespace vitrail
