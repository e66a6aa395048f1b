#include "attribution/run.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/stack.h>
#include <vitrail/error.h>
#include <vitrail/memory.h>

#include <algorithm>

#include "attribution/maps.h"
#include "ops/failure.h"

namespace vitrail {

MethodRun::MethodRun(const Scorer& scorer, const Tensor& input, const Execution& execution, const Explanation& common,
                     int64_t expected_steps)
    : scorer_(scorer), input_(input), execution_(execution), batch_(execution.batch), expected_steps_(expected_steps) {
  for (const Target& target : scorer.targets()) {
    Explanation& result = results_.emplace_back(common);
    result.target = target;
    const std::string logit = "logit";
    if (common.unit.starts_with(logit)) result.unit = target.unit_name() + common.unit.substr(logit.size());
  }
  if (execution_.listener) execution_.listener->on_begin(common.name, expected_steps_);
  const std::string broken = describe_non_finite_input(input_);
  if (!broken.empty()) warn(broken);
}

MethodRun::~MethodRun() {
  if (execution_.listener) execution_.listener->on_end();
}

int64_t MethodRun::next_chunk(int64_t wanted, int64_t steps_a_sample) {
  if (wanted <= 0 || should_stop()) return 0;
  int64_t chunk = std::min(wanted, batch_);
  if (execution_.budget.forwards) {
    chunk = std::min(chunk, (*execution_.budget.forwards - forwards_ - backwards_) / steps_a_sample);
    stopped_ = chunk == 0;
  }
  return chunk;
}

bool MethodRun::should_stop() {
  const Budget& budget = execution_.budget;
  stopped_ = stopped_ || (execution_.cancelled && execution_.cancelled->load()) ||
             (budget.forwards && forwards_ + backwards_ >= *budget.forwards) ||
             (budget.seconds && seconds() >= *budget.seconds);
  return stopped_;
}

Tensor check_scores(const Tensor& scores, int64_t samples, int64_t targets) {
  if (scores.dim() != 2 || scores.size(0) != samples || scores.size(1) != targets) {
    std::string shape;
    for (const int64_t size : scores.sizes()) shape += (shape.empty() ? "" : ",") + std::to_string(size);
    throw UsageError("The scorer returned shape [" + shape + "] for " + std::to_string(samples) + " inputs and " +
                     std::to_string(targets) + " targets, expected [" + std::to_string(samples) + "," +
                     std::to_string(targets) + "]: one row an input, one column a target.");
  }
  return scores.detach().to(at::kCPU, at::kDouble);
}

Tensor MethodRun::checked_scores(const Tensor& samples) const {
  const at::NoGradGuard no_grad;
  return check_scores(scorer_.score(samples), samples.size(0), targets());
}

void MethodRun::in_batches(int64_t samples, const std::function<void(int64_t, int64_t)>& body, int64_t at_most) {
  for (int64_t first = 0; first < samples;) {
    const int64_t most = at_most > 0 ? std::min(at_most, batch_) : batch_, n = std::min(most, samples - first);
    const auto halve = [&] {
      batch_ = n / 2;
      release_kept_memory();
    };
    try {
      body(first, n);
      first += n;
    } catch (const OutOfMemoryError&) {
      if (n == 1) throw;
      halve();
    } catch (const c10::Error& error) {  // outside of the network's nodes
      if (n == 1 || !is_out_of_memory(error)) throw;
      halve();
    }
  }
}

Tensor MethodRun::score(const Tensor& samples) {
  Tensors chunks;
  in_batches(samples.size(0), [&](int64_t first, int64_t n) {
    chunks.push_back(checked_scores(samples.narrow(0, first, n)));
    count(n, 0);
  });
  return chunks.size() == 1 ? chunks[0] : at::cat(chunks);
}

namespace {

/// Of the bases as changes that change nothing: by the kernels that score the changes, so that rounding cancels.
Tensor scores_of_bases(LocalScorer& local, const Tensor& images, int64_t targets) {
  local.set_bases(images);
  std::vector<LocalChange> unchanged(static_cast<size_t>(images.size(0)));
  for (size_t i = 0; i < unchanged.size(); ++i) unchanged[i].base = static_cast<int64_t>(i);
  return check_scores(local.score(unchanged), images.size(0), targets);
}

void put(const LocalChange& change, const ImagePatch& r, const Tensor& image) {
  if (change.pixels.defined()) image.narrow(1, r.top, r.height).narrow(2, r.left, r.width).copy_(change.pixels);
}

}  // namespace

bool MethodRun::try_local(const std::function<void()>& body) {
  try {
    body();
    return true;
  } catch (const OutOfMemoryError&) {
  } catch (const c10::Error& error) {  // outside of the network's nodes
    if (!is_out_of_memory(error)) throw;
  }
  local_.reset();  // whole images need less: no bases are kept for them
  release_kept_memory();
  return false;
}

bool MethodRun::start_local(std::vector<ImagePatch> rectangles, const Tensor& example) {
  rectangles_ = std::move(rectangles);
  local_ = execution_.incremental ? scorer_.local(rectangles_, batch_) : nullptr;
  if (!local_) return false;
  const bool done = try_local([&] {
    bases_ = example.unsqueeze(0);
    base_scores_ = scores_of_bases(*local_, bases_, targets());
    const bool gains = local_->gains();
    for (Explanation& result : results_) result.plan["incremental"] = local_->record();
    if (!gains) local_.reset();
  });
  return done && local_;
}

Tensor MethodRun::set_bases(const Tensor& images) {
  // The first bases are often those that the gain was measured on.
  bool known = local_ && base_scores_.defined() && at::equal(bases_, images);
  bases_ = images.clone();  // which may move
  if (local_ && !known) known = try_local([&] { base_scores_ = scores_of_bases(*local_, images, targets()); });
  if (!known) return score(images);
  count(images.size(0), 0);
  return base_scores_;
}

Tensor MethodRun::compose(const std::vector<LocalChange>& changes) const {
  Tensors images;
  for (const LocalChange& change : changes) {
    images.push_back(bases_[change.base].clone());
    put(change, rectangles_.at(change.rectangle), images.back());
  }
  return at::stack(images);
}

Tensor MethodRun::run_changes(const std::vector<LocalChange>& changes, bool move) {
  Tensor scores;
  if (local_)
    try_local([&] {
      scores = check_scores(move ? local_->move(changes) : local_->score(changes), static_cast<int64_t>(changes.size()),
                            targets());
    });
  return scores;
}

Tensor MethodRun::score_changes(const std::vector<LocalChange>& changes) {
  Tensors chunks;
  in_batches(static_cast<int64_t>(changes.size()), [&](int64_t first, int64_t n) {
    const std::vector<LocalChange> some(changes.begin() + first, changes.begin() + first + n);
    const Tensor scores = run_changes(some, false);
    chunks.push_back(scores.defined() ? scores : checked_scores(compose(some)));
    count(n, 0);
  });
  return chunks.size() == 1 ? chunks[0] : at::cat(chunks);
}

Tensor MethodRun::move_bases(const std::vector<LocalChange>& changes) {
  Tensor scores = run_changes(changes, true);
  base_scores_ = Tensor();
  Tensors moved;
  for (const LocalChange& change : changes) {
    moved.push_back(bases_[change.base]);
    put(change, rectangles_.at(change.rectangle), moved.back());
  }
  if (!scores.defined()) return score(at::stack(moved));
  count(static_cast<int64_t>(changes.size()), 0);
  return scores;
}

void MethodRun::count(int64_t forwards, int64_t backwards) {
  forwards_ += forwards;
  backwards_ += backwards;
  if (execution_.listener)
    execution_.listener->on_progress(std::min(forwards_ + backwards_, expected_steps_), expected_steps_);
}

void MethodRun::set_scores(const Tensor& scores) {
  for (size_t t = 0; t < results_.size(); ++t) results_[t].score = scores[static_cast<int64_t>(t)].item<double>();
  has_scores_ = true;
}

void MethodRun::warn(const std::string& message) {
  for (Explanation& result : results_) result.warnings.push_back(message);
  if (execution_.listener) execution_.listener->on_warning(message);
}

std::vector<Explanation> MethodRun::finish(const std::string& why_zero) {
  if (!has_scores_) set_scores(checked_scores(input_.unsqueeze(0))[0]);
  for (Explanation& result : results_) {
    VITRAIL_CHECK(result.map.defined() && result.map.dim() == 2, result.name + " left no map");
    const auto finish_tensor = [](Tensor& t) {
      if (t.defined()) t = t.detach().to(at::kCPU, at::kFloat).contiguous();
    };
    for (Tensor* tensor : {&result.map, &result.cells, &result.standard_error}) finish_tensor(*tensor);
    for (auto& [name, tensor] : result.extras) finish_tensor(tensor);
    result.forwards = forwards_;
    result.backwards = backwards_;
    result.partial = stopped_;
    if (batch_ < execution_.batch) result.plan["batch"] = std::to_string(batch_);
    for (const std::string& finding : diagnose(result, stopped_ ? "the run was stopped early." : why_zero)) {
      result.warnings.push_back(finding);
      if (execution_.listener) execution_.listener->on_warning(finding);
    }
    result.seconds = seconds();
  }
  return std::move(results_);
}

double MethodRun::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

}  // namespace vitrail
