#include <vitrail/scorecam.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <gmock/gmock.h>
#include <vitrail/method.h>

#include <atomic>

#include "attribution/cam/layers_for_tests.h"
#include "attribution/maps.h"

namespace vitrail {
namespace {

using testing::HasSubstr;

Tensor mask_of(const Tensor& channel) {
  const Tensor large = upsample(channel, 15, 19, Interpolation::bilinear);
  return (large - large.min()) / (large.max() - large.min());
}

/// sum_k softmax(scores)_k A_k, with the score of target `t` of the input seen through each mask.
Tensor brute_force(const PooledNet& net, int64_t t, const std::function<Tensor(const Tensor& mask)>& seen) {
  const Tensor a = net.hidden(photo())[0];
  Tensors scores, channels;
  for (int64_t k = 0; k < a.size(0); ++k) {
    if (a[k].min().equal(a[k].max())) continue;
    scores.push_back(net.score(seen(mask_of(a[k])).view({-1, 3, 15, 19})).select(1, t).mean());
    channels.push_back(a[k]);
  }
  return (at::softmax(at::stack(scores), 0).view({-1, 1, 1}) * at::stack(channels)).sum(0);
}

TEST(ScoreCam, IsTheSoftmaxOfTheScoresSeenThroughEachChannel) {
  const PooledNet net({0, 3});
  const auto results = scorecam(net, photo(), {.relu = false});
  for (int64_t t = 0; t < 2; ++t) {
    const Tensor expected = brute_force(net, t, [](const Tensor& mask) { return photo() * mask; });
    EXPECT_TRUE(results[static_cast<size_t>(t)].cells.allclose(expected, 1e-4, 1e-5));
  }
  const auto grey = scorecam(net, photo(), {.relu = false, .baseline = Baseline("200")});
  const Tensor expected = brute_force(net, 1, [](const Tensor& mask) { return photo() * mask + (1 - mask) * 200; });
  EXPECT_TRUE(grey[1].cells.allclose(expected, 1e-4, 1e-5));
  EXPECT_EQ(grey[1].baseline, "200");
}

TEST(ScoreCam, LeavesOutChannelsWithoutAPattern) {
  class OneConstant : public PooledNet {
   public:
    OneConstant() : PooledNet({0}) {}
    std::atomic<int64_t> mutable sent = 0;
    Tensor score(const Tensor& x) const override {
      sent += x.size(0);
      return PooledNet::score(x);
    }
    Tensor activation(const Tensor& x, const std::string& layer) const override {
      Tensor value = PooledNet::activation(x, layer).clone();
      value.select(1, 2).fill_(7);
      return value;
    }
  } net;
  const auto result = scorecam(net, photo())[0];
  EXPECT_EQ(result.plan.at("channels"), "4");
  EXPECT_EQ(result.forwards, 5);  // the layer, and four channels
  EXPECT_EQ(net.sent, 5);         // four channels, and the score of the input
}

TEST(ScoreCam, SaysWhenThereIsNoPattern) {
  class Flat : public PooledNet {
   public:
    Flat() : PooledNet({0}) {}
    Tensor activation(const Tensor& x, const std::string& layer) const override {
      return PooledNet::activation(x, layer) * 0 + 1;
    }
  } net;
  EXPECT_THAT(scorecam(net, photo())[0].warnings[0], HasSubstr("same at all positions"));
}

TEST(ScoreCam, TakesTheStrongestChannelsOfEachTarget) {
  const PooledNet net({0, 3});
  const Tensor a = net.hidden(photo())[0];
  for (size_t t = 0; t < 2; ++t) {
    const auto strongest = scorecam(net, photo(), {.relu = false, .channels = 1})[t];
    const int64_t k = net.head_weights()[t == 0 ? 0 : 3].argmax().item<int64_t>();
    EXPECT_TRUE(strongest.cells.allclose(a[k], 1e-4, 1e-5));  // alone, its weight is 1
    EXPECT_EQ(strongest.plan.at("channels"), "1");
  }
  EXPECT_TRUE(scorecam(net, photo(), {.channels = 5})[0].map.equal(scorecam(net, photo())[0].map));
}

TEST(IsCam, IsTheMeanOverFadingMasks) {
  const PooledNet net({0});
  const Tensor expected = brute_force(net, 0, [](const Tensor& mask) {
    Tensors seen;
    for (const double share : {0.25, 0.5, 0.75, 1.0}) seen.push_back(photo() * mask * share);
    return at::cat(seen);
  });
  EXPECT_TRUE(is_cam(net, photo(), {.relu = false, .samples = 4})[0].cells.allclose(expected, 1e-4, 1e-5));
}

TEST(SsCam, IsScoreCamWithoutNoiseAndHasAnErrorWithIt) {
  const PooledNet net({0});
  const auto plain = scorecam(net, photo())[0], still = ss_cam(net, photo(), {.samples = 4, .noise = 0})[0];
  EXPECT_TRUE(still.map.allclose(plain.map, 1e-4, 1e-6));
  EXPECT_LT(still.standard_error.max().item<double>(), 1e-6);
  const auto noisy = ss_cam(net, photo(), {.samples = 20, .noise = 0.3})[0];
  EXPECT_FALSE(noisy.map.allclose(plain.map, 1e-4, 1e-6));
  EXPECT_GT(noisy.standard_error.max().item<double>(), 0);
}

/// The error map against the spread over seeds: a jackknife that was wrong by a factor would show.
TEST(SsCam, StandardErrorsAreOfTheSizeOfTheSpreadOverSeeds) {
  const PooledNet net({0});
  Tensors maps;
  Tensor squares;
  constexpr int64_t seeds = 60;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto result = ss_cam(net, photo(), {.relu = false, .samples = 20, .noise = 0.3, .seed = seed})[0];
    maps.push_back(result.map);
    const Tensor square = result.standard_error.square() / static_cast<double>(seeds);
    squares = squares.defined() ? squares + square : square;
  }
  const double spread = at::stack(maps).var(0, /*unbiased=*/true).mean().item<double>();
  EXPECT_NEAR(squares.mean().item<double>() / spread, 1, 0.35);
}

}  // namespace
}  // namespace vitrail
