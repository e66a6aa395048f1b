#include "attribution/gradient/noise.h"

#include <ATen/ops/empty.h>

#include "attribution/random.h"

namespace vitrail {

Tensor draw_noise(const Tensor& input, uint64_t seed, int64_t first, int64_t count) {
  const Tensor noise = at::empty({count, input.size(0), input.size(1), input.size(2)}, at::kFloat);
  const auto size = static_cast<size_t>(input.numel());
  for (int64_t i = 0; i < count; ++i)
    Random(seed, RandomStream::noise, static_cast<uint64_t>(first + i))
        .fill_normal({noise.data_ptr<float>() + static_cast<size_t>(i) * size, size});
  return noise.to(input.options());
}

}  // namespace vitrail
