#include "attribution/perturbation/hide_one.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "attribution/perturbation/spread_order.h"

namespace vitrail {

namespace {

std::vector<LocalChange> as_changes(const Places& places, const std::vector<int64_t>& hidden) {
  std::vector<LocalChange> changes;
  for (const int64_t place : hidden) changes.push_back({static_cast<size_t>(place), places.pixels(place)});
  return changes;
}

}  // namespace

Tensor score_drops(MethodRun& run, const Places& places) {
  const auto count = static_cast<int64_t>(places.rectangles.size());
  const std::vector<int64_t> order = spread_order(count);
  const Tensor drops = at::zeros({count, run.targets()}, at::kDouble);
  const bool by_changes = places.pixels && run.start_local(places.rectangles, run.input());
  Tensor score_before;
  int64_t done = 0;  // samples: the image, then places in `order`
  while (const int64_t n = run.next_chunk(by_changes && done == 0 ? 1 : 1 + count - done)) {
    std::vector<int64_t> hidden;  // of each sample the place; -1: the image itself
    for (int64_t i = 0; i < n; ++i) hidden.push_back(done + i == 0 ? -1 : order[static_cast<size_t>(done + i - 1)]);
    const Tensor scores = !by_changes ? run.score(places.images(hidden))
                          : done == 0 ? run.set_bases(run.input().unsqueeze(0))
                                      : run.score_changes(as_changes(places, hidden));
    if (done == 0) run.set_scores(score_before = scores[0]);
    for (int64_t i = 0; i < n; ++i)
      if (const int64_t place = hidden[static_cast<size_t>(i)]; place >= 0)
        drops[place].copy_(score_before - scores[i]);
    done += n;
  }
  if (run.stopped())
    run.warn("Stopped after " + std::to_string(std::max<int64_t>(done - 1, 0)) + " of " + std::to_string(count) + " " +
             places.name + ": those not tried count as 0.");
  return drops;
}

}  // namespace vitrail
