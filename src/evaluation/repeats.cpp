#include <ATen/TensorOperators.h>
#include <vitrail/evaluate.h>

#include <regex>

namespace vitrail {

namespace {

bool have_one_place(const Tensor& a, const Tensor& b) { return a.defined() && b.defined() && a.equal(b); }

/// Adds to a sum of scores. What only some of them have is not kept.
void add(const MetricScore& score, MetricScore& sum) {
  sum.value += score.value;
  if (sum.undefined.empty()) sum.undefined = score.undefined;
  sum.forwards += score.forwards;
  sum.backwards += score.backwards;
  if (have_one_place(sum.curve_x, score.curve_x))
    sum.curve_y = sum.curve_y + score.curve_y;
  else
    sum.curve_x = sum.curve_y = Tensor();
  std::erase_if(sum.parts, [&](const auto& part) { return !score.parts.contains(part.first); });
  for (auto& [name, value] : sum.parts) value += score.parts.at(name);
}

void divide(MetricScore& sum, double count) {
  sum.value /= count;
  if (sum.curve_y.defined()) sum.curve_y = sum.curve_y / count;
  for (auto& [name, value] : sum.parts) value /= count;
}

}  // namespace

std::unique_ptr<Method> reseeded(const Method& method, uint64_t by) {
  static const std::regex seed(R"(([:,]seed=)(\d+))");
  const std::string text = method.canonical();
  std::smatch found;
  if (!std::regex_search(text, found, seed)) return nullptr;
  return parse_method(found.prefix().str() + found[1].str() + std::to_string(std::stoull(found[2]) + by) +
                      found.suffix().str());
}

MethodEvaluation average_repeats(const std::vector<MethodEvaluation>& repeats) {
  MethodEvaluation all = repeats.at(0);
  for (const MethodEvaluation& repeat : repeats)
    if (!repeat.refused.empty()) return {.refused = repeat.refused};
  for (const MetricScore& score : all.scores) all.repeats.push_back({score.value});
  for (size_t r = 1; r < repeats.size(); ++r) {
    all.forwards += repeats[r].forwards;
    all.backwards += repeats[r].backwards;
    all.seconds += repeats[r].seconds;
    for (size_t k = 0; k < all.scores.size(); ++k) {
      all.repeats[k].push_back(repeats[r].scores[k].value);
      add(repeats[r].scores[k], all.scores[k]);
      all.score_seconds[k] += repeats[r].score_seconds[k];
    }
  }
  for (MetricScore& score : all.scores) divide(score, static_cast<double>(repeats.size()));
  return all;
}

}  // namespace vitrail
