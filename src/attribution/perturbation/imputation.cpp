#include "attribution/perturbation/imputation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <vitrail/error.h>

#include <Eigen/SparseCholesky>
#include <algorithm>
#include <utility>
#include <vector>

#include "attribution/maps.h"
#include "attribution/random.h"

namespace vitrail {

namespace {

struct Step {
  int dy, dx;
  double weight;
};

/// Weights of a symmetric stencil: only their proportions matter.
std::vector<Step> stencil(Neighbours neighbours) {
  if (neighbours == Neighbours::four) return {{-1, 0, 1}, {0, -1, 1}, {0, 1, 1}, {1, 0, 1}};
  return {{-1, -1, 1}, {-1, 0, 2}, {-1, 1, 1}, {0, -1, 2}, {0, 1, 2}, {1, -1, 1}, {1, 0, 2}, {1, 1, 1}};
}

/// Part of an image: rows and columns, without the ends.
struct Part {
  int64_t top, bottom, left, right;
};

/// The pixels of a part in the order of nested dissection: one half, the other half, then the line between them, which
/// alone couples them. Factors of systems over neighbouring pixels stay about as sparse in it as they can be.
void dissect(const Part& part, int64_t width, std::vector<int64_t>& order) {
  const int64_t rows = part.bottom - part.top, columns = part.right - part.left;
  if (rows <= 0 || columns <= 0) return;
  Part first = part, line = part, second = part;
  if (rows >= columns) {
    line.top = first.bottom = part.top + rows / 2;
    line.bottom = second.top = line.top + 1;
  } else {
    line.left = first.right = part.left + columns / 2;
    line.right = second.left = line.left + 1;
  }
  dissect(first, width, order);
  dissect(second, width, order);
  for (int64_t y = line.top; y < line.bottom; ++y)
    for (int64_t x = line.left; x < line.right; ++x) order.push_back(y * width + x);
}

/// Replaces the hidden values of `pixels` double [C,H,W]. The system, sum_j w_ij (u_i - u_j) = 0 for every hidden i, is
/// symmetric and positive definite as soon as one pixel is shown.
void solve(Tensor& pixels, const Tensor& hidden, Neighbours neighbours) {
  using Matrix = Eigen::SparseMatrix<double>;
  const int64_t channels = pixels.size(0), height = pixels.size(1), width = pixels.size(2);
  const bool* is_hidden = hidden.data_ptr<bool>();
  std::vector<int64_t> unknowns;  // their pixels, in the order of elimination
  dissect({0, height, 0, width}, width, unknowns);
  std::erase_if(unknowns, [&](int64_t pixel) { return !is_hidden[pixel]; });
  std::vector<int> number(static_cast<size_t>(height * width), -1);
  for (size_t i = 0; i < unknowns.size(); ++i) number[static_cast<size_t>(unknowns[i])] = static_cast<int>(i);

  auto value = pixels.accessor<double, 3>();
  const auto size = static_cast<Eigen::Index>(unknowns.size());
  Eigen::MatrixXd right = Eigen::MatrixXd::Zero(size, channels);
  const std::vector<Step> steps = stencil(neighbours);
  Matrix lower(size, size);  // the triangle that the factorisation reads, filled column by column
  lower.reserve(size * static_cast<Eigen::Index>(steps.size() / 2 + 1));
  std::vector<std::pair<int, double>> below;
  for (int column = 0; column < size; ++column) {
    const int64_t pixel = unknowns[static_cast<size_t>(column)], y = pixel / width, x = pixel % width;
    below.clear();
    double sum = 0;
    for (const Step& step : steps) {
      const int64_t ny = y + step.dy, nx = x + step.dx;
      if (ny < 0 || ny >= height || nx < 0 || nx >= width) continue;
      sum += step.weight;
      const int row = number[static_cast<size_t>(ny * width + nx)];
      if (row > column) below.emplace_back(row, -step.weight);
      for (int64_t c = 0; row < 0 && c < channels; ++c) right(column, c) += step.weight * value[c][ny][nx];
    }
    std::sort(below.begin(), below.end());
    lower.startVec(column);
    lower.insertBack(column, column) = sum;
    for (const auto& [row, weight] : below) lower.insertBack(row, column) = weight;
  }
  lower.finalize();
  const Eigen::SimplicialLDLT<Matrix, Eigen::Lower, Eigen::NaturalOrdering<int>> factor(lower);
  VITRAIL_CHECK(factor.info() == Eigen::Success, "the imputation system could not be factorised");
  const Eigen::MatrixXd solution = factor.solve(right);
  for (Eigen::Index i = 0; i < size; ++i) {
    const int64_t pixel = unknowns[static_cast<size_t>(i)];
    for (int64_t c = 0; c < channels; ++c) value[c][pixel / width][pixel % width] = solution(i, c);
  }
}

}  // namespace

Tensor impute(const Tensor& input, const Tensor& hidden, Neighbours neighbours, double noise, uint64_t seed,
              uint64_t sample) {
  const Tensor colour = mean_colour(input);
  if (hidden.all().item<bool>()) return colour.expand_as(input).clone();
  Tensor pixels = at::where(at::isfinite(input), input, colour).to(at::kCPU, at::kDouble).contiguous();
  solve(pixels, hidden.cpu().contiguous(), neighbours);
  Tensor result = pixels.to(input.options());
  if (noise > 0) {
    const Tensor drawn = at::empty(input.sizes(), at::kFloat);
    Random(seed, RandomStream::imputation, sample)
        .fill_normal({drawn.data_ptr<float>(), static_cast<size_t>(drawn.numel())});
    result = at::where(hidden, result + drawn.to(input.options()) * noise, result);
  }
  return result;
}

}  // namespace vitrail
