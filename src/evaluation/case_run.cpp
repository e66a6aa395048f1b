#include "evaluation/case_run.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <vitrail/memory.h>

#include <algorithm>

#include "attribution/run.h"
#include "ops/failure.h"

namespace vitrail {

namespace {

const Scorer& choose_scorer(const MetricCase& map, Activation activation) {
  if (activation == Activation::none || activation == Activation::sigmoid) return *map.scorer;
  if (map.probability) return *map.probability;
  if (activation == Activation::automatic) return *map.scorer;
  throw UsageError(
      "activation=softmax wants a target that is a class of a row of logits; this one has no probability. "
      "Take activation=none.");
}

}  // namespace

CaseRun::CaseRun(const MetricCase& map, Activation activation)
    : map_(map),
      scorer_(choose_scorer(map, activation)),
      sigmoid_(activation == Activation::sigmoid),
      batch_(map.execution.batch) {}

void CaseRun::check_cancelled() const {
  if (map_.execution.cancelled && map_.execution.cancelled->load()) throw CancelledError();
}

Tensor CaseRun::score(int64_t samples, const std::function<Tensor(int64_t, int64_t)>& make) {
  const at::NoGradGuard no_grad;
  Tensors chunks;
  for (int64_t first = 0; first < samples;) {
    check_cancelled();
    const int64_t n = std::min(batch_, samples - first);
    const auto halve = [&] {
      batch_ = n / 2;
      release_kept_memory();
    };
    try {
      chunks.push_back(check_scores(scorer_.score(make(first, n)), n, 1).select(1, 0));
      first += n;
    } catch (const OutOfMemoryError&) {
      if (n == 1) throw;
      halve();
    } catch (const c10::Error& error) {  // outside of the network's nodes
      if (n == 1 || !is_out_of_memory(error)) throw;
      halve();
    }
  }
  forwards_ += samples;
  const Tensor scores = chunks.size() == 1 ? chunks[0] : at::cat(chunks);
  return sigmoid_ ? scores.sigmoid() : scores;
}

Tensor CaseRun::score_changes(const Tensor& start, const std::vector<ImagePatch>& rectangles,
                              const std::function<Tensor(int64_t)>& pixels) {
  Execution execution = map_.execution;
  execution.listener = nullptr;  // it hears of maps
  MethodRun run(scorer_, start, execution, {}, 0);
  if (!run.start_local(rectangles, start)) return {};
  Tensors scores = {run.set_bases(start.unsqueeze(0))};
  for (size_t k = 0; k < rectangles.size(); ++k) {
    check_cancelled();
    scores.push_back(run.move_bases({{.rectangle = k, .pixels = pixels(static_cast<int64_t>(k))}}));
  }
  forwards_ += static_cast<int64_t>(scores.size());
  const Tensor column = at::cat(scores).select(1, 0);
  return sigmoid_ ? column.sigmoid() : column;
}

double CaseRun::base() {
  if (!base_.defined()) base_ = score(1, [&](int64_t, int64_t) { return map_.input.unsqueeze(0); });
  return base_.item<double>();
}

}  // namespace vitrail
