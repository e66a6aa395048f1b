#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <vitrail/cam.h>
#include <vitrail/method.h>

#include <cmath>

#include "attribution/cam/layers_for_tests.h"

namespace vitrail {
namespace {

TEST(Fem, AddsTheMeansOfChannelsWhereTheyFireFarAboveThem) {
  const LinearLayer net;
  const Tensor a = net.activation(photo(), "relu")[0];
  constexpr int64_t K = LinearLayer::K, H = LinearLayer::H, W = LinearLayer::W;
  const auto expected = [&](double deviations) {
    Tensor cells = at::zeros({H, W});
    for (int64_t k = 0; k < K; ++k) {
      double mean = 0, square = 0;
      for (int64_t i = 0; i < H * W; ++i) mean += a[k][i / W][i % W].item<double>() / (H * W);
      for (int64_t i = 0; i < H * W; ++i) square += std::pow(a[k][i / W][i % W].item<double>() - mean, 2) / (H * W);
      for (int64_t i = 0; i < H * W; ++i)
        if (a[k][i / W][i % W].item<double>() >= mean + deviations * std::sqrt(square)) cells[i / W][i % W] += mean;
    }
    return cells;
  };
  for (const double deviations : {1.0, 0.5, -0.5}) {
    const FemOptions options{.relu = false, .deviations = deviations};
    const Explanation result = fem(net, photo(), options)[0];
    EXPECT_GT(expected(deviations).abs().max().item<double>(), 0);
    EXPECT_TRUE(result.cells.allclose(expected(deviations), 1e-4, 1e-6)) << deviations;
    EXPECT_EQ(result.backwards, 0);
  }
  EXPECT_EQ(fem(net, photo())[0].method.find("deviations=2") != std::string::npos, true);
}

TEST(ActivationCams, AreTheSameForEveryTarget) {
  const PooledNet net({0, 3});
  for (const char* method : {"eigen_cam", "fem:deviations=0.5", "random_cam:relu=false"}) {
    const auto results = parse_method(method)->explain(net, photo(), {});
    EXPECT_TRUE(results[0].map.equal(results[1].map)) << method;
    EXPECT_GT(results[0].map.abs().max().item<double>(), 0) << method;
    EXPECT_EQ(results[0].forwards, 1) << method;
  }
}

TEST(RandomCam, IsALinearMapOfTheActivationThatFollowsTheSeed) {
  const LinearLayer net;
  const auto cells = [&](uint64_t seed) { return random_cam(net, photo(), {.relu = false, .seed = seed})[0].cells; };
  EXPECT_TRUE(cells(1).equal(cells(1)));
  EXPECT_FALSE(cells(1).equal(cells(2)));
  const Tensor a = net.activation(photo(), "relu")[0];
  double largest = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) largest = std::max(largest, cells(seed).abs().max().item<double>());
  EXPECT_LE(largest, a.abs().sum(0).max().item<double>());  // weights are in [-1,1]
}

}  // namespace
}  // namespace vitrail
