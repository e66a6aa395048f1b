#include "vitrail/compare.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "attribution/maps.h"
#include "attribution/perturbation/student.h"
#include "base/ranks.h"
#include "base/text.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr double kManyDegrees = 1e6;  // as good as a normal distribution

std::vector<double> values_of(const Tensor& tensor) {
  const Tensor values = tensor.to(at::kDouble).contiguous().flatten();
  const double* first = values.const_data_ptr<double>();
  return {first, first + values.numel()};
}

std::set<size_t> largest(const std::vector<double>& values, size_t count) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return values[i] > values[j]; });
  return {order.begin(), order.begin() + static_cast<int64_t>(count)};
}

/// The number that a canonical method string gives to an option; 0 where it has no such option.
double option_of(const std::string& method, const std::string& key) {
  const size_t colon = method.find(':');
  if (colon == std::string::npos) return 0;
  const std::string options = "," + method.substr(colon + 1);
  const size_t found = options.find("," + key + "=");
  return found == std::string::npos ? 0 : std::strtod(options.c_str() + found + key.size() + 2, nullptr);
}

/// Independent units behind a standard error, less one.
double degrees_of(const Explanation& e) {
  const auto used = e.plan.find("replicates");
  const double replicates =
      used != e.plan.end() ? std::strtod(used->second.c_str(), nullptr) : option_of(e.method, "replicates");
  if (replicates > 1) return replicates - 1;
  for (const char* key : {"designs", "samples", "masks"})
    if (const double units = option_of(e.method, key); units > 1) return units - 1;
  return kManyDegrees;
}

/// What is compared, cell by cell: [h,w] each.
struct Cells {
  Tensor a, b, variance_a, variance_b;  ///< variances 0 for a map without error
  bool has_error = false;
};

Tensor variance_at(const Explanation& e, const Tensor& cells) {
  if (!e.standard_error.defined()) return at::zeros_like(cells, at::kDouble);
  const Tensor errors = e.standard_error.to(at::kDouble);
  return (errors.sizes() == cells.sizes() ? errors
                                          : upsample(errors, cells.size(0), cells.size(1), Interpolation::bilinear))
      .square();
}

Cells cells_of(const Explanation& a, const Explanation& b, MapComparison& comparison) {
  for (const Explanation* e : {&a, &b})
    if (!e->map.defined() || e->map.dim() != 2 || e->map.numel() == 0)
      throw UsageError("compare: the map of " + e->name + " is not [height,width]; load the explanation with its map.");
  const auto is_grid = [](const Tensor& cells) { return cells.defined() && cells.dim() == 2 && cells.size(0) > 1; };
  Cells cells;
  if (is_grid(a.cells) && is_grid(b.cells) && a.cells.sizes() == b.cells.sizes()) {
    cells.a = a.cells.to(at::kDouble);
    cells.b = b.cells.to(at::kDouble);
  } else {
    cells.a = a.map.to(at::kDouble);
    cells.b = b.map.to(at::kDouble);
    if (cells.a.sizes() != cells.b.sizes()) {
      comparison.notes.push_back("The maps have different sizes: the second one was brought to the size of the first.");
      cells.b = upsample(cells.b, cells.a.size(0), cells.a.size(1), Interpolation::bilinear);
    }
  }
  cells.variance_a = variance_at(a, cells.a);
  cells.variance_b = variance_at(b, cells.b);
  cells.has_error = a.standard_error.defined() || b.standard_error.defined();
  return cells;
}

/// Welch and Satterthwaite's degrees of freedom of each difference.
std::vector<double> degrees_of_differences(const std::vector<double>& variance_a, const std::vector<double>& variance_b,
                                           double degrees_a, double degrees_b) {
  std::vector<double> degrees(variance_a.size(), kManyDegrees);
  for (size_t i = 0; i < degrees.size(); ++i) {
    const double a = variance_a[i], b = variance_b[i], below = a * a / degrees_a + b * b / degrees_b;
    if (below > 0) degrees[i] = (a + b) * (a + b) / below;
  }
  return degrees;
}

/// P-values of "no difference": 0 where two exact values differ, 1 where they are equal.
std::vector<double> p_values(const std::vector<double>& difference, const std::vector<double>& variance,
                             const std::vector<double>& degrees) {
  std::vector<double> p(difference.size());
  for (size_t i = 0; i < p.size(); ++i) {
    if (!std::isfinite(difference[i]) || !std::isfinite(variance[i])) {
      p[i] = kNotANumber;
    } else if (variance[i] > 0) {
      p[i] = student_tail(std::abs(difference[i]) / std::sqrt(variance[i]), degrees[i]);
    } else {
      p[i] = difference[i] == 0 ? 1 : 0;
    }
  }
  return p;
}

/// The level of a single cell's interval, so that all together keep what `correction` promises.
double level_of_a_cell(std::vector<double> p, const CompareOptions& options) {
  p.erase(std::remove_if(p.begin(), p.end(), [](double value) { return std::isnan(value); }), p.end());
  const auto cells = static_cast<double>(std::max<size_t>(p.size(), 1));
  if (options.correction == Correction::bonferroni) return options.level / cells;
  std::sort(p.begin(), p.end());
  size_t rejected = 0;
  for (size_t i = 0; i < p.size(); ++i)
    if (p[i] <= static_cast<double>(i + 1) * options.level / cells) rejected = i + 1;
  return static_cast<double>(std::max<size_t>(rejected, 1)) * options.level / cells;
}

void add_intervals(const Cells& cells, const Explanation& a, const Explanation& b, const CompareOptions& options,
                   MapComparison& comparison) {
  const Tensor variance = cells.variance_a + cells.variance_b;
  const std::vector<double> degrees =
      degrees_of_differences(values_of(cells.variance_a), values_of(cells.variance_b), degrees_of(a), degrees_of(b));
  const std::vector<double> differences = values_of(cells.a - cells.b), variances = values_of(variance);
  const double level = level_of_a_cell(p_values(differences, variances, degrees), options);
  std::vector<double> half(differences.size());
  for (size_t i = 0; i < half.size(); ++i) half[i] = student_quantile(level, degrees[i]) * std::sqrt(variances[i]);
  const Tensor widths = at::tensor(half, at::kDouble).view_as(variance);
  comparison.half_width = widths.to(at::kFloat);
  comparison.significant = (cells.a - cells.b).abs() > widths;
  comparison.differing = comparison.significant.sum().item<int64_t>();
}

void check(const CompareOptions& options) {
  if (!(options.level > 0 && options.level < 1))
    throw UsageError("compare: found level " + std::to_string(options.level) + ", expected between 0 and 1, as 0.05.");
  if (!(options.top > 0 && options.top < 1))
    throw UsageError("compare: found top " + std::to_string(options.top) + ", expected a share between 0 and 1.");
}

void describe(const Explanation& a, const Explanation& b, MapComparison& comparison) {
  if (a.is_signed != b.is_signed)
    comparison.notes.push_back(
        "One map is signed and the other is not: what speaks against the target is low in one "
        "and may be high in the other.");
  if (a.unit != b.unit)
    comparison.notes.push_back("The units differ (" + a.unit + ", " + b.unit +
                               "): only the order of the cells is compared.");
  if (std::isnan(comparison.rank_correlation))
    comparison.notes.push_back("A map is constant: there is no correlation with it.");
  if (a.partial || b.partial) comparison.notes.push_back("A map is partial: it was stopped early.");
}

std::string list_of(const SavedResult& result) {
  std::vector<std::string> words;
  for (const Explanation& e : result.explanations) words.push_back(e.name + " of " + e.target.slug());
  return words.empty() ? "nothing" : join(words);
}

/// Pairs off what `alike` calls alike, in order; each explanation once.
template <class Alike>
void pair_off(const SavedResult& a, const SavedResult& b, std::set<size_t>& free_a, std::set<size_t>& free_b,
              const Alike& alike, std::vector<std::pair<size_t, size_t>>& pairs) {
  for (auto i = free_a.begin(); i != free_a.end();) {
    const auto partner = std::find_if(free_b.begin(), free_b.end(),
                                      [&](size_t j) { return alike(a.explanations[*i], b.explanations[j]); });
    if (partner == free_b.end()) {
      ++i;
    } else {
      pairs.emplace_back(*i, *partner);
      free_b.erase(partner);
      i = free_a.erase(i);
    }
  }
}

std::set<size_t> places(size_t count) {
  std::set<size_t> numbers;
  for (size_t i = 0; i < count; ++i) numbers.insert(numbers.end(), i);
  return numbers;
}

/// What differs besides the maps.
std::vector<std::string> describe(const SavedResult& a, const SavedResult& b) {
  std::vector<std::string> notes;
  if (a.image_sha256 != b.image_sha256)
    notes.push_back("The photos differ: " + a.image_path + ", " + b.image_path + ".");
  if (a.model_sha256 != b.model_sha256)
    notes.push_back("The models differ: " + a.model_path + ", " + b.model_path + ".");
  const auto same = [](double x, double y) { return std::abs(x - y) < 0.5; };
  const Rectangle &p = a.placed, &q = b.placed;
  if (a.image_sha256 == b.image_sha256 &&
      !(same(p.x0, q.x0) && same(p.y0, q.y0) && same(p.x1, q.x1) && same(p.y1, q.y1)))
    notes.push_back("The models saw different parts of the photo: maps are compared as they are, not on the photo.");
  if (a.version != b.version) notes.push_back("Made by vitrail " + a.version + " and " + b.version + ".");
  return notes;
}

}  // namespace

double MapComparison::largest_difference() const {
  if (!difference.defined()) return kNotANumber;
  const Tensor finite = difference.abs().masked_select(at::isfinite(difference));
  return finite.numel() == 0 ? kNotANumber : finite.max().item<double>();
}

MapComparison compare_maps(const Explanation& a, const Explanation& b, const CompareOptions& options) {
  check(options);
  MapComparison comparison;
  const Cells cells = cells_of(a, b, comparison);
  const Tensor finite = at::isfinite(cells.a).logical_and(at::isfinite(cells.b));
  const std::vector<double> first = values_of(cells.a.masked_select(finite)),
                            second = values_of(cells.b.masked_select(finite));
  comparison.cells = static_cast<int64_t>(first.size());
  if (comparison.cells < cells.a.numel())
    comparison.notes.push_back(std::to_string(cells.a.numel() - comparison.cells) +
                               " cells without a finite value in one of the maps were left out.");
  comparison.rank_correlation = first.empty() ? kNotANumber : rank_correlation(first, second);
  comparison.linear_correlation = first.empty() ? kNotANumber : correlation(first, second);
  const auto count = static_cast<size_t>(std::llround(options.top * static_cast<double>(first.size())));
  const size_t top = std::min(std::max<size_t>(count, 1), first.size());
  std::vector<size_t> both;
  const std::set<size_t> top_a = largest(first, top), top_b = largest(second, top);
  std::set_intersection(top_a.begin(), top_a.end(), top_b.begin(), top_b.end(), std::back_inserter(both));
  comparison.top = static_cast<int64_t>(top);
  comparison.top_overlap = top == 0 ? kNotANumber : static_cast<double>(both.size()) / static_cast<double>(top);
  if (a.unit == b.unit) {
    comparison.difference = (cells.a - cells.b).to(at::kFloat);
    if (cells.has_error) add_intervals(cells, a, b, options, comparison);
  }
  describe(a, b, comparison);
  return comparison;
}

ResultComparison compare_results(const SavedResult& a, const SavedResult& b, const CompareOptions& options) {
  check(options);
  ResultComparison comparison;
  std::set<size_t> free_a = places(a.explanations.size()), free_b = places(b.explanations.size());
  std::vector<std::pair<size_t, size_t>> pairs;
  const auto same_class = [](const auto& x, const auto& y) { return x.target.slug() == y.target.slug(); };
  const auto same_words = [](const auto& x, const auto& y) {
    return x.target.string == y.target.string && x.target.unit == y.target.unit;
  };
  if (options.across) {
    for (const size_t i : free_a)
      for (const size_t j : free_b)
        if (same_class(a.explanations[i], b.explanations[j]) || same_words(a.explanations[i], b.explanations[j]))
          pairs.emplace_back(i, j);
    for (const auto& [i, j] : pairs) {
      free_a.erase(i);
      free_b.erase(j);
    }
  } else {
    const auto same_method = [](const auto& x, const auto& y) { return x.method == y.method; };
    const auto same_name = [](const auto& x, const auto& y) { return x.name == y.name; };
    const auto pair = [&](const auto& method, const auto& target) {
      pair_off(a, b, free_a, free_b, [&](const auto& x, const auto& y) { return method(x, y) && target(x, y); }, pairs);
    };
    pair(same_method, same_class);
    pair(same_name, same_class);
    pair(same_method, same_words);
    pair(same_name, same_words);
    std::sort(pairs.begin(), pairs.end());
  }
  if (pairs.empty())
    throw InputError("the results have no method and target in common: the first has " + list_of(a) + "; the second " +
                     list_of(b) + ". Compare every method with every other by `across`.");
  for (const auto& [i, j] : pairs) {
    ComparedPair compared{i, j, compare_maps(a.load(i), b.load(j), options)};
    const Explanation &x = a.explanations[i], &y = b.explanations[j];
    if (!same_class(x, y))
      compared.maps.notes.push_back("'" + x.target.string + "' is " + x.target.title() + " in the first and " +
                                    y.target.title() + " in the second.");
    comparison.pairs.push_back(std::move(compared));
  }
  comparison.only_a.assign(free_a.begin(), free_a.end());
  comparison.only_b.assign(free_b.begin(), free_b.end());
  comparison.notes = describe(a, b);
  return comparison;
}

}  // namespace vitrail
