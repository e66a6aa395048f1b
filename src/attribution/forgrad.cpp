#include <vitrail/forgrad.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/fft_irfft2.h>
#include <ATen/ops/fft_rfft2.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/where.h>

namespace vitrail {

Tensor forgrad(const Tensor& map, double sigma) {
  const int64_t height = map.size(0), width = map.size(1);
  const Tensor finite = at::isfinite(map);
  const Tensor size = at::where(finite, map.abs(), 0).to(at::kDouble);
  const Tensor row = at::arange(height, size.options()), column = at::arange(width / 2 + 1, size.options());
  const Tensor down = at::minimum(row, height - row);  // u and height - u waves are the same frequency, up and down
  const Tensor kept = down.square().unsqueeze(1) + column.square().unsqueeze(0) <= sigma * sigma;
  const Tensor low = at::fft_irfft2(at::fft_rfft2(size) * kept, at::IntArrayRef({height, width})).abs();
  return at::where(finite, low.to(map.scalar_type()), map);
}

}  // namespace vitrail
