#include "evaluation/map_correlation.h"

#include <cstddef>
#include <span>

#include "base/ranks.h"

namespace vitrail {

double map_correlation(const Tensor& a, const Tensor& b) {
  const Tensor first = a.to(at::kDouble).contiguous(), second = b.to(at::kDouble).contiguous();
  const auto values = [](const Tensor& map) {
    return std::span(map.const_data_ptr<double>(), static_cast<size_t>(map.numel()));
  };
  return rank_correlation(values(first), values(second));
}

}  // namespace vitrail
