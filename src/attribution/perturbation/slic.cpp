#include "attribution/perturbation/slic.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace vitrail {

namespace {

constexpr int passes = 10;

/// The pixels in reading order, float [HW,C], scaled to a range of 100.
Tensor scaled_pixels(const Tensor& image) {
  const Tensor pixels = image.detach().cpu().to(at::kFloat).nan_to_num(0, 0, 0).flatten(1).t().contiguous();
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

  /// Of a squared distance in pixels, beside one of colours.
  double weight_of_place() const { return weight_; }

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

/// Numbers the connected pieces of equal label in reading order.
std::vector<int64_t> connected_pieces(const std::vector<int64_t>& label, int64_t height, int64_t width) {
  std::vector<int64_t> piece(label.size(), -1);
  int64_t pieces = 0;
  for (size_t first = 0; first < label.size(); ++first) {
    if (piece[first] >= 0) continue;
    std::vector<size_t> members = {first};
    piece[first] = pieces;
    for (size_t i = 0; i < members.size(); ++i) {
      const auto y = static_cast<int64_t>(members[i]) / width, x = static_cast<int64_t>(members[i]) % width;
      for (const auto& [dy, dx] : std::array<std::pair<int, int>, 4>{{{-1, 0}, {0, -1}, {0, 1}, {1, 0}}}) {
        if (y + dy < 0 || y + dy >= height || x + dx < 0 || x + dx >= width) continue;
        const auto q = static_cast<size_t>((y + dy) * width + x + dx);
        if (piece[q] >= 0 || label[q] != label[first]) continue;
        piece[q] = pieces;
        members.push_back(q);
      }
    }
    ++pieces;
  }
  return piece;
}

/// Pieces that are joined two by two, and who touches whom.
class Pieces {
 public:
  /// `features` [HW,F]: what makes pixels alike, in units in which distances add.
  Pieces(std::vector<int64_t> piece, const Tensor& features, int64_t height, int64_t width)
      : piece_(std::move(piece)), count_(*std::max_element(piece_.begin(), piece_.end()) + 1) {
    const int64_t dimensions = features.size(1);
    parts_.resize(static_cast<size_t>(count_), {0, std::vector<double>(static_cast<size_t>(dimensions)), {}});
    const auto feature = features.accessor<float, 2>();
    for (size_t p = 0; p < piece_.size(); ++p) {
      Part& part = parts_[static_cast<size_t>(piece_[p])];
      ++part.size;
      for (int64_t f = 0; f < dimensions; ++f) part.sum[static_cast<size_t>(f)] += feature[static_cast<int64_t>(p)][f];
      const auto y = static_cast<int64_t>(p) / width, x = static_cast<int64_t>(p) % width;
      if (x + 1 < width) touch(piece_[p], piece_[p + 1]);
      if (y + 1 < height) touch(piece_[p], piece_[p + static_cast<size_t>(width)]);
    }
    for (int64_t k = 0; k < count_; ++k) by_size_.insert({parts_[static_cast<size_t>(k)].size, k});
  }

  /// Joins every piece smaller than `least` pixels to the neighbour it is most like, the smallest first.
  void join_small(double least) {
    while (by_size_.size() > 1 && by_size_.begin()->first < least) {
      const int64_t smallest = by_size_.begin()->second;
      join(smallest, nearest(smallest).second);
    }
  }

  /// Joins the two neighbours that are most alike (Ward's criterion) until there are at most `most` pieces.
  void join_until(int64_t most) {
    while (static_cast<int64_t>(by_size_.size()) > most) {
      std::tuple<double, int64_t, int64_t> best{std::numeric_limits<double>::infinity(), -1, -1};
      for (const auto& [size, k] : by_size_) {
        const auto [cost, neighbour] = nearest(k);
        best = std::min(best, {cost, std::min(k, neighbour), std::max(k, neighbour)});
      }
      join(std::get<1>(best), std::get<2>(best));
    }
  }

  /// The number of every pixel's piece, from 0 in reading order of their first pixels.
  std::vector<int64_t> numbers() const {
    std::vector<int64_t> number(static_cast<size_t>(count_), -1), result;
    int64_t next = 0;
    for (const int64_t piece : piece_) {
      int64_t root = piece;
      while (parts_[static_cast<size_t>(root)].joined_to >= 0) root = parts_[static_cast<size_t>(root)].joined_to;
      int64_t& own = number[static_cast<size_t>(root)];
      if (own < 0) own = next++;
      result.push_back(own);
    }
    return result;
  }

 private:
  struct Part {
    double size;
    std::vector<double> sum;  ///< of the pixels' features
    std::set<int64_t> neighbours;
    int64_t joined_to = -1;
  };

  void touch(int64_t a, int64_t b) {
    if (a == b) return;
    parts_[static_cast<size_t>(a)].neighbours.insert(b);
    parts_[static_cast<size_t>(b)].neighbours.insert(a);
  }

  /// By how much the sum of squared distances to the means grows when both become one.
  double cost_of_joining(const Part& a, const Part& b) const {
    double distance = 0;
    for (size_t f = 0; f < a.sum.size(); ++f) {
      const double difference = a.sum[f] / a.size - b.sum[f] / b.size;
      distance += difference * difference;
    }
    return distance * a.size * b.size / (a.size + b.size);
  }

  /// The neighbour that costs least, and what it costs.
  std::pair<double, int64_t> nearest(int64_t k) const {
    const Part& part = parts_[static_cast<size_t>(k)];
    std::pair<double, int64_t> best{std::numeric_limits<double>::infinity(), -1};
    for (const int64_t neighbour : part.neighbours)
      best = std::min(best, {cost_of_joining(part, parts_[static_cast<size_t>(neighbour)]), neighbour});
    return best;
  }

  /// `a` becomes part of `b`.
  void join(int64_t a, int64_t b) {
    Part &from = parts_[static_cast<size_t>(a)], &into = parts_[static_cast<size_t>(b)];
    by_size_.erase({from.size, a});
    by_size_.erase({into.size, b});
    into.size += from.size;
    for (size_t f = 0; f < into.sum.size(); ++f) into.sum[f] += from.sum[f];
    for (const int64_t neighbour : from.neighbours) {
      parts_[static_cast<size_t>(neighbour)].neighbours.erase(a);
      touch(neighbour, b);
    }
    from.neighbours.clear();
    from.joined_to = b;
    by_size_.insert({into.size, b});
  }

  std::vector<int64_t> piece_;  ///< of every pixel, before any were joined
  int64_t count_;
  std::vector<Part> parts_;
  std::set<std::pair<double, int64_t>> by_size_;  ///< of the pieces that are left
};

}  // namespace

Tensor slic(const Tensor& image, int64_t wanted, double compactness) {
  const int64_t height = image.size(1), width = image.size(2);
  const Tensor pixels = scaled_pixels(image);
  Clustering clusters(pixels, height, width, wanted, compactness);
  std::vector<int64_t> label(static_cast<size_t>(height * width), 0);
  for (int i = 0; i < passes; ++i) clusters.pass(label);
  const Tensor places = at::stack({at::arange(height).unsqueeze(1).expand({height, width}),
                                   at::arange(width).unsqueeze(0).expand({height, width})},
                                  2)
                            .view({height * width, 2});
  const Tensor features = at::cat({pixels, places.to(at::kFloat) * std::sqrt(clusters.weight_of_place())}, 1);
  Pieces pieces(connected_pieces(label, height, width), features, height, width);
  pieces.join_small(static_cast<double>(height * width) / static_cast<double>(wanted) / 4);
  pieces.join_until(wanted);
  const std::vector<int64_t> number = pieces.numbers();
  const Tensor result = at::empty({height, width}, at::kLong);
  std::copy(number.begin(), number.end(), result.data_ptr<int64_t>());
  return result;
}

}  // namespace vitrail
