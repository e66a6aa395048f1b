#pragma once

// Games on the nine cells of a 3 x 3 grid: images of nine pixels of value 1 whose score is known for every coalition.

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <vitrail/scorer.h>

#include <functional>
#include <vector>

namespace vitrail {

inline Tensor nine_ones() { return at::ones({1, 1, 3, 3}); }

/// `value`: players [n,9] of 0 and 1 -> [n].
inline CallableScorer game(std::function<Tensor(const Tensor&)> value) {
  return CallableScorer(
      [value = std::move(value)](const Tensor& x) { return value(x.flatten(1).to(at::kDouble)).unsqueeze(1); });
}

/// 2 + c . x + 3 x0 x1 - 2 x2 x3 x4 + (x5 xor x6), with c = (.4, -.3, 1, 0, .2, -.5, .6, 0, 0).
inline CallableScorer mixed_game() {
  return game([](const Tensor& x) {
    const auto player = [&](int64_t i) { return x.select(1, i); };
    const Tensor c = at::tensor({.4, -.3, 1., 0., .2, -.5, .6, 0., 0.}, at::kDouble);
    return x.matmul(c) + 2 + player(0) * player(1) * 3 - player(2) * player(3) * player(4) * 2 + player(5) + player(6) -
           player(5) * player(6) * 2;
  });
}

/// A product is shared by its factors equally; xor gives 1 to whom joins first and -1 to whom joins second: nothing.
inline Tensor mixed_game_values() {
  return at::tensor({.4 + 1.5, -.3 + 1.5, 1 - 2. / 3, -2. / 3, .2 - 2. / 3, -.5, .6, 0., 0.}, at::kDouble);
}

/// Largest difference of cells [3,3] from values [9].
inline double distance_of_cells(const Tensor& cells, const Tensor& values) {
  return (cells.flatten().to(at::kDouble) - values).abs().max().item<double>();
}

}  // namespace vitrail
