#include "attribution/perturbation/imputation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>
#include <vitrail/error.h>

#include <Eigen/SparseCholesky>
#include <vector>

#include "attribution/maps.h"
#include "attribution/random.h"

namespace vitrail {

namespace {

struct Step {
  int dy, dx;
  double weight;
};

/// Weights of a symmetric stencil, in reading order: only their proportions matter.
std::vector<Step> stencil(Neighbours neighbours) {
  if (neighbours == Neighbours::four) return {{-1, 0, 1}, {0, -1, 1}, {0, 1, 1}, {1, 0, 1}};
  return {{-1, -1, 1}, {-1, 0, 2}, {-1, 1, 1}, {0, -1, 2}, {0, 1, 2}, {1, -1, 1}, {1, 0, 2}, {1, 1, 1}};
}

/// The unknowns in reading order: for every pixel its number, or -1.
std::vector<int> number_unknowns(const Tensor& hidden, int& count) {
  const bool* flags = hidden.data_ptr<bool>();
  std::vector<int> number(static_cast<size_t>(hidden.numel()), -1);
  count = 0;
  for (size_t p = 0; p < number.size(); ++p)
    if (flags[p]) number[p] = count++;
  return number;
}

/// Replaces the hidden values of `pixels` double [C,H,W]. The system, sum_j w_ij (u_i - u_j) = 0 for every hidden i, is
/// symmetric and positive definite as soon as one pixel is shown.
void solve(Tensor& pixels, const Tensor& hidden, Neighbours neighbours) {
  using Matrix = Eigen::SparseMatrix<double>;
  const int64_t channels = pixels.size(0), height = pixels.size(1), width = pixels.size(2);
  int unknowns = 0;
  const std::vector<int> number = number_unknowns(hidden, unknowns);
  auto value = pixels.accessor<double, 3>();
  Eigen::MatrixXd right = Eigen::MatrixXd::Zero(unknowns, channels);
  const std::vector<Step> steps = stencil(neighbours);
  Matrix lower(unknowns, unknowns);  // the triangle that the factorisation reads, filled column by column
  lower.reserve(unknowns * static_cast<Eigen::Index>(steps.size() / 2 + 1));
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const int column = number[static_cast<size_t>(y * width + x)];
      if (column < 0) continue;
      lower.startVec(column);
      lower.insertBack(column, column) = 0;
      double sum = 0;
      for (const Step& step : steps) {
        const int64_t ny = y + step.dy, nx = x + step.dx;
        if (ny < 0 || ny >= height || nx < 0 || nx >= width) continue;
        sum += step.weight;
        const int row = number[static_cast<size_t>(ny * width + nx)];
        if (row > column) lower.insertBack(row, column) = -step.weight;
        for (int64_t c = 0; row < 0 && c < channels; ++c) right(column, c) += step.weight * value[c][ny][nx];
      }
      lower.valuePtr()[lower.outerIndexPtr()[column]] = sum;
    }
  lower.finalize();
  const Eigen::SimplicialLDLT<Matrix, Eigen::Lower> factor(lower);
  VITRAIL_CHECK(factor.info() == Eigen::Success, "the imputation system could not be factorised");
  const Eigen::MatrixXd solution = factor.solve(right);
  for (int64_t p = 0; p < height * width; ++p)
    if (const int row = number[static_cast<size_t>(p)]; row >= 0)
      for (int64_t c = 0; c < channels; ++c) value[c][p / width][p % width] = solution(row, c);
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
