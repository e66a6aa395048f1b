#include "attribution/perturbation/spread_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vitrail {

std::vector<int64_t> spread_order(int64_t count) {
  int64_t step = std::max<int64_t>(1, std::lround(static_cast<double>(count) / 1.6180339887));
  while (std::gcd(step, count) != 1) ++step;
  std::vector<int64_t> order(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) order[static_cast<size_t>(i)] = i * step % count;
  return order;
}

}  // namespace vitrail
