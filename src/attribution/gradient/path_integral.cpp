#include "attribution/gradient/path_integral.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>

#include "attribution/gradient/target_gradients.h"
#include "attribution/options.h"

namespace vitrail {

namespace {

/// Intervals halved at a time: as many gradients as a batch does well, and not the batch itself, on which no result may
/// depend.
constexpr size_t halved_at_once = 4;

struct PathNode {
  double score = 0, slope = 0;  ///< g and dg/da
  Tensor map;                   ///< (x - x0) dg/dx, summed over channels
};

/// Nodes of one target by place.
class Nodes {
 public:
  void add(double place, PathNode node) { nodes_.emplace(place, std::move(node)); }
  int64_t count() const { return static_cast<int64_t>(nodes_.size()); }
  bool has_ends() const { return nodes_.contains(0) && nodes_.contains(1); }
  double rise() const { return nodes_.at(1).score - nodes_.at(0).score; }
  std::optional<double> score() const {
    return nodes_.contains(1) ? std::optional<double>(nodes_.at(1).score) : std::nullopt;
  }

  /// The trapezoidal sum over the whole path; a single node stands for all of it.
  double sum() const {
    double sum = 0;
    for (const auto& [place, weight] : weights()) sum += weight * nodes_.at(place).slope;
    return sum;
  }
  Tensor map() const {
    Tensor sum;
    for (const auto& [place, weight] : weights()) {
      const Tensor term = nodes_.at(place).map.to(at::kDouble) * weight;
      sum = sum.defined() ? sum + term : term;
    }
    return sum;
  }

  /// The middles of the intervals to halve next: in turn the one with the largest gap of its own, and the one whose
  /// ends' maps differ most, which is what a gap cannot see where pixels cancel.
  std::vector<double> middles(size_t wanted) const {
    std::vector<Interval> all = intervals();
    std::vector<double> chosen;
    for (size_t i = 0; i < std::min(wanted, all.size()); ++i) {
      const auto worst = [&](double Interval::* error) {
        return std::max_element(all.begin() + static_cast<std::ptrdiff_t>(i), all.end(),
                                [&](const Interval& a, const Interval& b) { return a.*error < b.*error; });
      };
      std::iter_swap(all.begin() + static_cast<std::ptrdiff_t>(i),
                     worst(i % 2 == 0 ? &Interval::gap : &Interval::change));
      chosen.push_back((all[i].begin + all[i].end) / 2);
    }
    std::sort(chosen.begin(), chosen.end());
    return chosen;
  }

 private:
  struct Interval {
    double begin, end, gap, change;
  };

  std::vector<Interval> intervals() const {
    const auto size = [](double error) { return std::isfinite(error) ? std::abs(error) : 0; };
    std::vector<Interval> all;
    for (auto a = nodes_.begin(), b = std::next(a); b != nodes_.end(); ++a, ++b) {
      const double length = b->first - a->first;
      const double gap = length * (a->second.slope + b->second.slope) / 2 - (b->second.score - a->second.score);
      const double change = length * at::linalg_vector_norm(b->second.map - a->second.map).item<double>();
      all.push_back({a->first, b->first, size(gap), size(change)});
    }
    return all;
  }

  std::map<double, double> weights() const {
    std::map<double, double> weights;
    if (nodes_.size() == 1) return {{nodes_.begin()->first, 1}};
    for (auto a = nodes_.begin(), b = std::next(a); b != nodes_.end(); ++a, ++b) {
      weights[a->first] += (b->first - a->first) / 2;
      weights[b->first] += (b->first - a->first) / 2;
    }
    // Stopped before both ends: what was done stands for the rest.
    const double whole = nodes_.rbegin()->first - nodes_.begin()->first;
    for (auto& [place, weight] : weights) weight /= whole;
    return weights;
  }

  std::map<double, PathNode> nodes_;
};

/// 1, 0, 1/2, 1/4, 3/4, ...: the multiples of 1 / steps in an order whose every beginning divides the path evenly.
std::vector<double> spread_places(int64_t steps) {
  std::vector<int64_t> inner(static_cast<size_t>(steps - 1));
  std::iota(inner.begin(), inner.end(), 1);
  // By the size of the power of two in it: halves before quarters before eighths.
  std::stable_sort(inner.begin(), inner.end(), [](int64_t a, int64_t b) { return (a & -a) > (b & -b); });
  std::vector<double> places = {1, 0};
  for (const int64_t i : inner) places.push_back(static_cast<double>(i) / static_cast<double>(steps));
  return places;
}

class Integration {
 public:
  Integration(MethodRun& run, const DifferentiableScorer& scorer, const Tensor& baseline)
      : run_(run), scorer_(scorer), baseline_(baseline), way_(run.input() - baseline), nodes_(run.results().size()) {}

  /// Adds nodes at these places for the wanted targets, as far as the budget goes.
  void add(const std::vector<double>& places, const std::vector<bool>& wanted) {
    const auto backwards = static_cast<int64_t>(std::count(wanted.begin(), wanted.end(), true));
    for (size_t done = 0; done < places.size();) {
      const int64_t n = run_.next_chunk(static_cast<int64_t>(places.size() - done), 1 + backwards);
      if (n == 0) return;
      Tensors points;
      for (int64_t i = 0; i < n; ++i) points.push_back(point(places[done + static_cast<size_t>(i)]));
      const auto [scores, gradients] = target_gradients(run_, scorer_, at::stack(points), wanted);
      for (size_t t = 0; t < nodes_.size(); ++t)
        for (int64_t i = 0; wanted[t] && i < n; ++i) {
          const Tensor map = (way_ * gradients[t][i]).sum(0);
          nodes_[t].add(places[done + static_cast<size_t>(i)],
                        {scores[i][static_cast<int64_t>(t)].item<double>(), map.sum(at::kDouble).item<double>(), map});
        }
      done += static_cast<size_t>(n);
    }
  }

  void refine(size_t t, const PathRule& rule) {
    std::vector<bool> wanted(nodes_.size(), false);
    wanted[t] = true;
    while (!run_.stopped() && !is_settled(t, rule) && nodes_[t].count() <= rule.max_steps)
      add(nodes_[t].middles(std::min(halved_at_once, static_cast<size_t>(rule.max_steps + 1 - nodes_[t].count()))),
          wanted);
  }

  PathIntegral result(size_t t, const PathRule& rule) {
    const Nodes& nodes = nodes_[t];
    PathIntegral integral;
    integral.nodes = nodes.count();
    integral.map = nodes.count() > 0 ? nodes.map() : at::zeros({run_.height(), run_.width()}, at::kDouble);
    integral.score = nodes.score();
    if (!nodes.has_ends()) return integral;
    integral.rise = nodes.rise();
    integral.gap = nodes.sum() - nodes.rise();
    if (!is_settled(t, rule))
      run_.results()[t].warnings.push_back(
          "The completeness gap " + write_value(static_cast<float>(*integral.gap)) + " exceeds " +
          write_value(rule.tolerance) + " of the score's rise from the baseline, " +
          write_value(static_cast<float>(*integral.rise)) + ". Raise max_steps or the tolerance.");
    return integral;
  }

 private:
  Tensor point(double place) const {
    return place == 1 ? run_.input() : place == 0 ? baseline_ : baseline_ + way_ * place;
  }

  bool is_settled(size_t t, const PathRule& rule) const {
    const double rise = nodes_[t].rise();
    return std::abs(nodes_[t].sum() - rise) <= rule.tolerance * std::abs(rise);
  }

  MethodRun& run_;
  const DifferentiableScorer& scorer_;
  Tensor baseline_, way_;
  std::vector<Nodes> nodes_;
};

}  // namespace

Method::Cost cost_of(const PathRule& rule, int64_t targets) {
  const int64_t first = rule.first() + 1, most = std::max(rule.first(), rule.max_steps) + 1;
  return {first + targets * (most - first), targets * most};
}

std::vector<PathIntegral> integrate(MethodRun& run, const DifferentiableScorer& scorer, const Tensor& baseline,
                                    const PathRule& rule) {
  Integration integration(run, scorer, baseline);
  const auto targets = run.results().size();
  integration.add(spread_places(rule.first()), std::vector<bool>(targets, true));
  for (size_t t = 0; t < targets; ++t) integration.refine(t, rule);
  std::vector<PathIntegral> results;
  for (size_t t = 0; t < targets; ++t) results.push_back(integration.result(t, rule));
  return results;
}

void set_scores(MethodRun& run, const std::vector<PathIntegral>& integrals) {
  std::vector<double> scores;
  for (const PathIntegral& integral : integrals)
    if (integral.score) scores.push_back(*integral.score);
  if (scores.size() == integrals.size()) run.set_scores(at::tensor(scores, at::kDouble));
}

}  // namespace vitrail
