// Anything that scores a batch can be explained: here a function that looks at one corner only.

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <vitrail/occlusion.h>

#include <cstdio>

int main() {
  const vitrail::CallableScorer corner(
      [](const vitrail::Tensor& x) { return x.slice(2, 0, 8).slice(3, 0, 8).sum({1, 2, 3}).unsqueeze(1); });

  const auto why = vitrail::occlusion(corner, at::ones({1, 3, 16, 16}), {.patch = 4, .stride = 4}).at(0);
  for (int64_t row = 0; row < 16; row += 4) {
    for (int64_t column = 0; column < 16; column += 4) std::printf("%4.0f", why.map[row][column].item<double>());
    std::printf("\n");
  }
}
