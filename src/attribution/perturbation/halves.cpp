#include "attribution/perturbation/halves.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace vitrail {

namespace {

using Centre = std::array<double, 2>;  // row, column

constexpr double same_place = 1e-6;  // of a pixel; centres that differ by less are taken for one

std::vector<Centre> centres_of(const LabelMap& regions) {
  std::vector<Centre> sums(static_cast<size_t>(regions.count));
  std::vector<double> pixels(sums.size());
  const auto labels = regions.labels.accessor<int64_t, 2>();
  for (int64_t y = 0; y < labels.size(0); ++y)
    for (int64_t x = 0; x < labels.size(1); ++x) {
      const auto region = static_cast<size_t>(labels[y][x]);
      sums[region][0] += static_cast<double>(y);
      sums[region][1] += static_cast<double>(x);
      ++pixels[region];
    }
  for (size_t i = 0; i < sums.size(); ++i)
    for (double& coordinate : sums[i]) coordinate = std::round(coordinate / pixels[i] / same_place) * same_place;
  return sums;
}

double extent(const std::vector<int64_t>& regions, const std::vector<Centre>& centres, size_t axis) {
  const auto [least, most] = std::minmax_element(regions.begin(), regions.end(), [&](int64_t a, int64_t b) {
    return centres[static_cast<size_t>(a)][axis] < centres[static_cast<size_t>(b)][axis];
  });
  return centres[static_cast<size_t>(*most)][axis] - centres[static_cast<size_t>(*least)][axis];
}

/// Sorts the regions along the longer axis and returns how many of them the first half has.
size_t cut(std::vector<int64_t>& regions, const std::vector<Centre>& centres) {
  const size_t axis = extent(regions, centres, 0) >= extent(regions, centres, 1) ? 0 : 1;
  const auto coordinate = [&](size_t i) { return centres[static_cast<size_t>(regions[i])][axis]; };
  std::stable_sort(regions.begin(), regions.end(), [&](int64_t a, int64_t b) {
    return centres[static_cast<size_t>(a)][axis] < centres[static_cast<size_t>(b)][axis];
  });
  const size_t half = regions.size() / 2;
  for (size_t away = 0; away < half + 1; ++away)
    for (const size_t place : {half - std::min(away, half), half + away})
      if (place > 0 && place < regions.size() && coordinate(place) > coordinate(place - 1)) return place;
  return half;
}

}  // namespace

std::vector<Part> halve(const LabelMap& regions) {
  const std::vector<Centre> centres = centres_of(regions);
  std::vector<Part> parts(1);
  parts[0].regions.resize(static_cast<size_t>(regions.count));
  std::iota(parts[0].regions.begin(), parts[0].regions.end(), 0);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].is_region()) continue;
    std::vector<int64_t> all = parts[i].regions;
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(cut(all, centres));
    parts[i].first = parts.size();
    parts[i].second = parts.size() + 1;
    const int64_t depth = parts[i].depth + 1;
    parts.push_back({{all.begin(), middle}, 0, 0, depth});
    parts.push_back({{middle, all.end()}, 0, 0, depth});
  }
  return parts;
}

}  // namespace vitrail
