#pragma once

// What every method does with its maps: reduce channels, enlarge cells, and say what is wrong.

#include <vitrail/explanation.h>
#include <vitrail/reducer.h>
#include <vitrail/tensor.h>

#include <string>
#include <vector>

namespace vitrail {

/// [C,H,W] -> [H,W].
Tensor reduce_channels(const Tensor& values, Reducer reducer);

enum class Interpolation { nearest, bilinear, bicubic };

/// [h,w] -> [height,width]; pixel centres are aligned (corners are not), as image resizing does. Bicubic
/// overshoots: clamp where values have a bound.
Tensor upsample(const Tensor& cells, int64_t height, int64_t width, Interpolation interpolation);

/// Mean of every channel of `input` [C,H,W] over its finite pixels, so that one broken pixel does not spread: [C,1,1].
Tensor mean_colour(const Tensor& input);

/// Largest minus smallest finite value; 0 where none is finite.
double range_of(const Tensor& input);

/// "The input holds 3 non-finite values, the first at channel 0, row 4, column 7: ..."; empty where all of
/// `input` [C,H,W] is finite.
std::string describe_non_finite_input(const Tensor& input);

/// What is wrong with a result: a non-finite score or map, a map that is zero or constant.
/// `why_zero` is the method's reading of a zero map.
std::vector<std::string> diagnose(const Explanation& explanation, const std::string& why_zero);

}  // namespace vitrail
