#include "evaluation/fidelity/interpolate.h"

#include <ATen/ops/empty.h>
#include <vitrail/error.h>

#include <algorithm>

namespace vitrail {

Tensor interpolate(std::vector<std::pair<double, double>> points, int64_t steps) {
  std::stable_sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  VITRAIL_CHECK(!points.empty() && points.front().first == 0 && points.back().first == 1, "a curve without its ends");
  Tensor heights = at::empty({steps + 1}, at::kDouble);
  auto* height = heights.mutable_data_ptr<double>();
  auto right = points.begin();
  for (int64_t i = 0; i <= steps; ++i) {
    const double x = static_cast<double>(i) / static_cast<double>(steps);
    while (right != points.end() && right->first <= x) ++right;
    const auto left = right - 1;
    height[i] = left->second;
    if (right != points.end())
      height[i] += (right->second - left->second) * (x - left->first) / (right->first - left->first);
  }
  return heights;
}

}  // namespace vitrail
