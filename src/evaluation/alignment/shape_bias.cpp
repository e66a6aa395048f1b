#include <vitrail/error.h>
#include <vitrail/shape_bias.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "attribution/random.h"
#include "evaluation/statistics/resampling.h"

namespace vitrail {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Decisions about one image.
struct Count {
  int64_t shape = 0, texture = 0;
};

double bias_of(int64_t shape, int64_t texture) {
  return shape + texture == 0 ? kNaN : static_cast<double>(shape) / static_cast<double>(shape + texture);
}

/// Of images drawn again with replacement, in increasing order; without draws in which nothing is decided.
std::vector<double> resampled_biases(const std::vector<Count>& images, const BootstrapOptions& options) {
  const auto n = static_cast<double>(images.size());
  std::vector<double> biases;
  for (int64_t sample = 0; sample < options.resamples; ++sample) {
    Random random(options.seed, RandomStream::bootstrap, static_cast<uint64_t>(sample));
    Count sum;
    for (size_t i = 0; i < images.size(); ++i) {
      const Count& drawn = images[static_cast<size_t>(random.uniform() * n)];
      sum.shape += drawn.shape;
      sum.texture += drawn.texture;
    }
    if (const double bias = bias_of(sum.shape, sum.texture); std::isfinite(bias)) biases.push_back(bias);
  }
  std::sort(biases.begin(), biases.end());
  return biases;
}

bool is_right(const CueConflictDecision& decision) { return decision.answer == decision.shape; }

}  // namespace

ShapeBias shape_bias(std::span<const CueConflictDecision> decisions, const BootstrapOptions& options) {
  check_bootstrap(options);
  ShapeBias result;
  std::map<std::string, Count> by_image;
  for (const CueConflictDecision& decision : decisions) {
    if (decision.shape == decision.texture) continue;
    Count& count = by_image[decision.image];
    if (decision.answer == decision.shape)
      ++count.shape, ++result.shape;
    else if (decision.answer == decision.texture)
      ++count.texture, ++result.texture;
    else
      ++result.other;
  }
  result.value = result.low = result.high = bias_of(result.shape, result.texture);
  if (std::isnan(result.value)) return result;
  std::vector<Count> images;
  for (const auto& entry : by_image) images.push_back(entry.second);
  const std::vector<double> biases = resampled_biases(images, options);
  result.low = quantile(biases, (1 - options.level) / 2);
  result.high = quantile(biases, (1 + options.level) / 2);
  return result;
}

double error_consistency(double agreement, double accuracy_a, double accuracy_b) {
  const double expected = accuracy_a * accuracy_b + (1 - accuracy_a) * (1 - accuracy_b);
  return expected < 1 ? (agreement - expected) / (1 - expected) : kNaN;
}

double error_consistency(std::span<const CueConflictDecision> a, std::span<const CueConflictDecision> b) {
  std::map<std::string, bool> right_b;
  for (const CueConflictDecision& decision : b)
    if (!right_b.emplace(decision.image, is_right(decision)).second)
      throw UsageError("error_consistency: " + decision.image + " is there twice; expected each image once.");
  double n = 0, agreement = 0, accuracy_a = 0, accuracy_b = 0;
  std::set<std::string> seen;
  for (const CueConflictDecision& decision : a) {
    if (!seen.insert(decision.image).second)
      throw UsageError("error_consistency: " + decision.image + " is there twice; expected each image once.");
    const auto other = right_b.find(decision.image);
    if (other == right_b.end()) continue;
    const bool right = is_right(decision);
    ++n;
    agreement += right == other->second;
    accuracy_a += right;
    accuracy_b += other->second;
  }
  return n == 0 ? kNaN : error_consistency(agreement / n, accuracy_a / n, accuracy_b / n);
}

}  // namespace vitrail
