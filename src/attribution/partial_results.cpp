#include <vitrail/partial_results.h>

#include <ATen/ops/stack.h>
#include <vitrail/error.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace vitrail {
namespace {

/// Of the numbers of an image, bit by bit.
size_t hash_of(const Tensor& image) {
  const Tensor numbers = image.contiguous().cpu();
  return std::hash<std::string_view>()({static_cast<const char*>(numbers.const_data_ptr()), numbers.nbytes()});
}

/// Scores no batch of images that it knows, whatever the order in which they come again.
class RememberingScorer : public Scorer {
 public:
  explicit RememberingScorer(std::shared_ptr<const Scorer> scorer) : scorer_(std::move(scorer)) {}

  /// A batch with an unknown image is scored as a whole: by the kernels, and so to the bytes, of a run without looks.
  Tensor score(const Tensor& inputs) const override {
    std::vector<size_t> keys;
    for (int64_t i = 0; i < inputs.size(0); ++i) keys.push_back(hash_of(inputs[i]));
    const std::lock_guard lock(mutex_);
    Tensors known;
    for (const size_t key : keys)
      if (const auto found = scores_.find(key); found != scores_.end()) known.push_back(found->second);
    if (known.size() == keys.size()) return at::stack(known);
    const Tensor scores = scorer_->score(inputs);
    for (size_t i = 0; i < keys.size(); ++i) scores_[keys[i]] = scores[static_cast<int64_t>(i)].detach().clone();
    return scores;
  }

  std::vector<Target> targets() const override { return scorer_->targets(); }
  std::map<std::string, std::string> engine() const override { return scorer_->engine(); }
  Tensor pixel(double value, int64_t channels) const override { return scorer_->pixel(value, channels); }
  Tensor prepare(const std::filesystem::path& photo) const override { return scorer_->prepare(photo); }
  std::unique_ptr<LocalScorer> local(const std::vector<ImagePatch>& rectangles, int64_t batch) const override {
    return scorer_->local(rectangles, batch);
  }

 private:
  std::shared_ptr<const Scorer> scorer_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<size_t, Tensor> scores_;
};

/// Black box, and not on the value of a layer, which asks the scorer for more than scores.
bool needs_scores_only(const Method& method) {
  return method.info().access == Access::scorer && method.canonical().find("layer=input") != std::string::npos;
}

bool is_partial(const std::vector<Explanation>& results) {
  return std::any_of(results.begin(), results.end(), [](const Explanation& e) { return e.partial; });
}

}  // namespace

PartialResults::PartialResults(std::shared_ptr<const Method> method, std::shared_ptr<const Scorer> scorer,
                               Tensor inputs, int64_t first)
    : method_(std::move(method)), scorer_(std::move(scorer)), inputs_(std::move(inputs)), budget_(first) {
  if (first < 1)
    throw UsageError("found a first look after " + std::to_string(first) + " forwards, expected 1 or more.");
  if (needs_scores_only(*method_)) scorer_ = std::make_shared<RememberingScorer>(scorer_);
}

std::optional<std::vector<Explanation>> PartialResults::next(const Execution& execution) {
  if (done_) return {};
  const int64_t most = execution.budget.forwards.value_or(std::numeric_limits<int64_t>::max());
  Execution look = execution;
  look.budget.forwards = std::min(budget_, most);
  auto results = method_->explain(*scorer_, inputs_, look);
  const bool cancelled = execution.cancelled && execution.cancelled->load();
  done_ = !is_partial(results) || budget_ >= most || cancelled;
  budget_ = budget_ > most / 2 ? most : 2 * budget_;
  return results;
}

}  // namespace vitrail
