#include "attribution/perturbation/slic.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "attribution/blur.h"

namespace vitrail {

namespace {

constexpr int passes = 10;

/// The pixels in reading order, float [HW,C], scaled to a range of 100.
Tensor scaled_pixels(const Tensor& image) {
  const Tensor finite = image.detach().cpu().to(at::kFloat).nan_to_num(0, 0, 0);
  const Tensor pixels = gaussian_blur(finite, 1).flatten(1).t().contiguous();
  const double range = (pixels.max() - pixels.min()).item<double>();
  return range > 0 ? pixels * (100 / range) : pixels;
}

class Clustering {
 public:
  Clustering(const Tensor& pixels, int64_t height, int64_t width, int64_t wanted, double compactness)
      : colour_(pixels.data_ptr<float>()), channels_(pixels.size(1)), height_(height), width_(width) {
    side_ = std::max(1.0, std::sqrt(static_cast<double>(height * width) / static_cast<double>(wanted)));
    weight_ = compactness * compactness / (side_ * side_);
    const auto rows = std::max<int64_t>(1, std::lround(static_cast<double>(height) / side_));
    const auto columns = std::max<int64_t>(1, std::lround(static_cast<double>(width) / side_));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        add_centre((2 * r + 1) * height / (2 * rows), (2 * c + 1) * width / (2 * columns));
  }

  void pass(std::vector<int64_t>& label) {
    std::vector<double> nearest(label.size(), std::numeric_limits<double>::infinity());
    for (size_t k = 0; k < centres_.size(); ++k) claim(centres_[k], static_cast<int64_t>(k), nearest, label);
    move_centres(label);
  }

 private:
  struct Centre {
    double y, x;
    std::vector<double> colour;
  };

  const float* colour(int64_t y, int64_t x) const { return colour_ + (y * width_ + x) * channels_; }

  void add_centre(int64_t y, int64_t x) {
    centres_.push_back({static_cast<double>(y), static_cast<double>(x), {colour(y, x), colour(y, x) + channels_}});
  }

  double distance(const Centre& centre, int64_t y, int64_t x) const {
    const double dy = static_cast<double>(y) - centre.y, dx = static_cast<double>(x) - centre.x;
    double sum = weight_ * (dy * dy + dx * dx);
    const float* own = colour(y, x);
    for (int64_t c = 0; c < channels_; ++c) {
      const double difference = own[c] - centre.colour[static_cast<size_t>(c)];
      sum += difference * difference;
    }
    return sum;
  }

  /// Takes every pixel within two sides that is nearer to this centre than to those before it.
  void claim(const Centre& centre, int64_t k, std::vector<double>& nearest, std::vector<int64_t>& label) const {
    const auto range = [&](double middle, int64_t size) {
      return std::pair(std::max<int64_t>(0, std::lround(middle - 2 * side_)),
                       std::min<int64_t>(size, std::lround(middle + 2 * side_) + 1));
    };
    const auto [top, bottom] = range(centre.y, height_);
    const auto [left, right] = range(centre.x, width_);
    for (int64_t y = top; y < bottom; ++y)
      for (int64_t x = left; x < right; ++x) {
        const auto p = static_cast<size_t>(y * width_ + x);
        const double d = distance(centre, y, x);
        if (d < nearest[p]) nearest[p] = d, label[p] = k;
      }
  }

  void move_centres(const std::vector<int64_t>& label) {
    std::vector<double> count(centres_.size());
    std::vector<Centre> sum(centres_.size(), {0, 0, std::vector<double>(static_cast<size_t>(channels_))});
    for (size_t p = 0; p < label.size(); ++p) {
      const auto k = static_cast<size_t>(label[p]);
      const auto y = static_cast<int64_t>(p) / width_, x = static_cast<int64_t>(p) % width_;
      ++count[k];
      sum[k].y += static_cast<double>(y);
      sum[k].x += static_cast<double>(x);
      for (size_t c = 0; c < sum[k].colour.size(); ++c) sum[k].colour[c] += colour(y, x)[c];
    }
    for (size_t k = 0; k < centres_.size(); ++k) {
      if (count[k] == 0) continue;
      centres_[k] = {sum[k].y / count[k], sum[k].x / count[k], sum[k].colour};
      for (double& value : centres_[k].colour) value /= count[k];
    }
  }

  const float* colour_;
  int64_t channels_, height_, width_;
  double side_ = 1, weight_ = 0;
  std::vector<Centre> centres_;
};

/// Numbers the connected pieces of equal label in reading order. A piece of less than half of `usual` pixels joins
/// the piece left of or above its first pixel, unless that has twice the usual size already.
std::vector<int64_t> connect(const std::vector<int64_t>& label, int64_t height, int64_t width, size_t usual) {
  std::vector<int64_t> piece(label.size(), -1);
  std::vector<size_t> sizes;
  for (size_t first = 0; first < label.size(); ++first) {
    if (piece[first] >= 0) continue;
    std::vector<size_t> members = {first};
    const auto number = static_cast<int64_t>(sizes.size());
    piece[first] = number;
    for (size_t i = 0; i < members.size(); ++i) {
      const auto y = static_cast<int64_t>(members[i]) / width, x = static_cast<int64_t>(members[i]) % width;
      for (const auto& [dy, dx] : std::array<std::pair<int, int>, 4>{{{-1, 0}, {0, -1}, {0, 1}, {1, 0}}}) {
        if (y + dy < 0 || y + dy >= height || x + dx < 0 || x + dx >= width) continue;
        const auto q = static_cast<size_t>((y + dy) * width + x + dx);
        if (piece[q] >= 0 || label[q] != label[first]) continue;
        piece[q] = number;
        members.push_back(q);
      }
    }
    const bool in_first_column = static_cast<int64_t>(first) % width == 0;
    const int64_t neighbour = first == 0 ? -1 : piece[in_first_column ? first - static_cast<size_t>(width) : first - 1];
    if (neighbour < 0 || 2 * members.size() >= usual || sizes[static_cast<size_t>(neighbour)] >= 2 * usual) {
      sizes.push_back(members.size());
      continue;
    }
    for (const size_t p : members) piece[p] = neighbour;
    sizes[static_cast<size_t>(neighbour)] += members.size();
  }
  return piece;
}

}  // namespace

Tensor slic(const Tensor& image, int64_t wanted, double compactness) {
  const int64_t height = image.size(1), width = image.size(2);
  const Tensor pixels = scaled_pixels(image);
  Clustering clusters(pixels, height, width, wanted, compactness);
  std::vector<int64_t> label(static_cast<size_t>(height * width), 0);
  for (int i = 0; i < passes; ++i) clusters.pass(label);
  const std::vector<int64_t> piece = connect(label, height, width, static_cast<size_t>(height * width / wanted));
  const Tensor result = at::full({height, width}, 0, at::kLong);
  std::copy(piece.begin(), piece.end(), result.data_ptr<int64_t>());
  return result;
}

}  // namespace vitrail
