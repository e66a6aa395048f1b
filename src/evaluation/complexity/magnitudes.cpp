#include "evaluation/complexity/magnitudes.h"

#include "evaluation/metric_impl.h"

namespace vitrail {

MetricScore judge_magnitudes(const MetricCase& map, const std::function<MetricScore(const Tensor&)>& judge) {
  const Tensor magnitudes = map.map.flatten().to(at::kDouble).abs();
  if (!magnitudes.any().item<bool>()) return undefined_score("the map is zero everywhere");
  return judge(magnitudes);
}

}  // namespace vitrail
