#include <vitrail/error.h>
#include <vitrail/shape_bias.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

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

bool is_right(const CueConflictDecision& decision) { return decision.answer == decision.shape; }

}  // namespace

ShapeBias shape_bias(std::span<const CueConflictDecision> decisions, const BootstrapOptions& options) {
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
  result.value = bias_of(result.shape, result.texture);
  std::vector<Count> images;
  for (const auto& entry : by_image) images.push_back(entry.second);
  const auto bias = [&](std::span<const int64_t> counts) {
    Count sum;
    for (size_t i = 0; i < images.size(); ++i) {
      sum.shape += counts[i] * images[i].shape;
      sum.texture += counts[i] * images[i].texture;
    }
    return bias_of(sum.shape, sum.texture);
  };
  const BootstrapInterval interval = bootstrap_statistic(static_cast<int64_t>(images.size()), bias, options);
  result.low = interval.low;
  result.high = interval.high;
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
