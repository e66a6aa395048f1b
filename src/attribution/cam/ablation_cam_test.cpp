#include <vitrail/ablation_cam.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <vitrail/method.h>

#include <algorithm>
#include <cmath>

#include "attribution/cam/layers_for_tests.h"

namespace vitrail {
namespace {

using testing::Contains;
using testing::HasSubstr;

double score_of(const Probe& net, const Tensor& a) { return net.score_from(photo(), "relu", a).item<double>(); }

TEST(AblationCam, WeighsEachChannelByWhatItsLossCosts) {
  const CurvedLayer net;
  const Tensor a = net.activation(photo(), "relu");
  Tensor expected = at::zeros_like(a[0][0]);
  for (int64_t k = 0; k < a.size(1); ++k) {
    Tensor without = a.clone();
    without[0][k].zero_();
    expected = expected + (score_of(net, a) - score_of(net, without)) / std::abs(score_of(net, a)) * a[0][k];
  }
  const auto result = ablation_cam(net, photo(), {.relu = false})[0];
  EXPECT_TRUE(result.cells.allclose(expected, 1e-4, 1e-6));
  EXPECT_EQ(result.forwards, 1 + CurvedLayer::K);
  EXPECT_EQ(result.backwards, 0);
}

TEST(AblationCam, IsGradCamWhereTheHeadIsLinear) {
  const PooledNet net({0, 3});
  const Tensor hidden = net.hidden(photo())[0];
  const auto ablation = ablation_cam(net, photo(), {.relu = false});
  for (size_t t = 0; t < 2; ++t) {  // alpha_k = w_k mean(A_k) / |g|
    const Tensor alpha = net.head_weights()[t == 0 ? 0 : 3].view({-1, 1, 1}) * hidden.mean({1, 2}, true);
    const Tensor expected = (alpha * hidden).sum(0) / std::abs(ablation[t].score);
    EXPECT_TRUE(ablation[t].cells.allclose(expected, 1e-3, 1e-5));
  }
}

TEST(AblationCam, DoesNotRunSilentChannelsAndSaysWhenTheScoreIsZero) {
  class Half : public LinearLayer {
   public:
    Tensor activation(const Tensor& x, const std::string& layer) const override {
      Tensor value = LinearLayer::activation(x, layer).clone();
      value.select(1, 1).zero_();
      return value;
    }
    Tensor score_from(const Tensor& x, const std::string& layer, const Tensor& value) const override {
      return LinearLayer::score_from(x, layer, value - activation(x.narrow(0, 0, 1), layer));
    }
  } net;
  const auto result = ablation_cam(net, photo(), {.relu = false})[0];
  EXPECT_EQ(result.forwards, 1 + 2);
  EXPECT_EQ(result.score, 0);
  EXPECT_THAT(result.warnings, Contains(HasSubstr("score is 0")));
  EXPECT_GT(result.map.abs().max().item<double>(), 0);
}

TEST(ReciproCam, ScoresEachPositionAlone) {
  const CurvedLayer net;
  constexpr int64_t H = CurvedLayer::H, W = CurvedLayer::W;
  const Tensor a = net.activation(photo(), "relu");
  for (const bool gaussian : {true, false}) {
    const auto result =
        recipro_cam(net, photo(), {.relu = false, .window = gaussian ? KeptWindow::gaussian : KeptWindow::single})[0];
    for (int64_t row = 0; row < H; ++row)
      for (int64_t column = 0; column < W; ++column) {
        Tensor kept = at::zeros_like(a);
        for (int64_t y = 0; y < H; ++y)
          for (int64_t x = 0; x < W; ++x) {
            const int64_t dy = std::abs(y - row), dx = std::abs(x - column);
            double weight = dy == 0 && dx == 0 ? 1 : 0;
            if (gaussian)
              weight = dy > 1 || dx > 1 ? 0 : (2.0 - static_cast<double>(dy)) * (2.0 - static_cast<double>(dx)) / 16;
            kept.select(3, x).select(2, y).copy_(a.select(3, x).select(2, y) * weight);
          }
        const double expected = score_of(net, kept) - score_of(net, at::zeros_like(a));
        EXPECT_NEAR(result.cells[row][column].item<double>(), expected, 1e-5);
      }
    EXPECT_EQ(result.forwards, 2 + H * W);
  }
}

TEST(ReciproCam, IsTheClassActivationMapOnPooledNetsWithoutTheWindow) {
  const PooledNet net({3});
  const auto recipro = recipro_cam(net, photo(), {.relu = false, .window = KeptWindow::single})[0];
  const auto cam = gradcam(net, photo(), {.relu = false})[0];
  EXPECT_TRUE(recipro.cells.allclose(cam.cells, 1e-3, 1e-5));
}

}  // namespace
}  // namespace vitrail
