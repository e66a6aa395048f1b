#include <vitrail/error.h>
#include <vitrail/variance_split.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace vitrail {

namespace {

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double square(double value) { return value * value; }

}  // namespace

double VarianceSplit::standard_error_with(int64_t repeats) const {
  if (repeats < 1)
    throw UsageError("Variance split: found " + std::to_string(repeats) + " repeats, expected at least 1.");
  return std::sqrt((images + sampling / static_cast<double>(repeats)) / static_cast<double>(image_count));
}

VarianceSplit split_variance(const std::vector<std::vector<double>>& scores) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  VarianceSplit result{.images = nan, .sampling = nan, .standard_error = nan};
  std::vector<std::vector<double>> images;
  for (std::vector<double> list : scores) {
    result.undefined += static_cast<int64_t>(std::erase_if(list, [](double score) { return !std::isfinite(score); }));
    result.count += static_cast<int64_t>(list.size());
    if (!list.empty()) images.push_back(std::move(list));
  }
  result.image_count = static_cast<int64_t>(images.size());
  if (result.image_count < 2) {
    result.reason = "fewer than two images have a score: there is no spread of images";
    return result;
  }
  if (result.count == result.image_count) {
    result.reason = "no image has two scores: there is no spread of sampling";
    return result;
  }

  const auto total = static_cast<double>(result.count), count = static_cast<double>(result.image_count);
  double mean = 0, squared_sizes = 0, inverse_sizes = 0;
  for (const auto& list : images) {
    const auto size = static_cast<double>(list.size());
    mean += mean_of(list) * size / total;
    squared_sizes += square(size);
    inverse_sizes += 1 / size;
  }
  double between = 0, within = 0;
  for (const auto& list : images) {
    const double own = mean_of(list);
    between += static_cast<double>(list.size()) * square(own - mean);
    for (const double score : list) within += square(score - own);
  }
  result.sampling = within / (total - count);
  const double repeats = (total - squared_sizes / total) / (count - 1);
  const double estimate = (between / (count - 1) - result.sampling) / repeats;
  result.clipped = estimate < 0;
  result.images = result.clipped ? 0 : estimate;
  result.standard_error = std::sqrt(result.images / count + result.sampling * inverse_sizes / square(count));
  return result;
}

}  // namespace vitrail
