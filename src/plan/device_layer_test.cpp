// Layers for a device, here on the CPU where the same operators of ATen are: all but cuDNN's with a ReLU in them.

#include "plan/device_layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace vitrail {
namespace {

using Kind = Layer::Kind;

Tensor activated(const std::string& name, const Tensor& y) { return name == "relu" ? y.relu() : y; }

void expect_result(const Layer& layer, const Tensor& x, const Tensor& plain) {
  Tensors in = {x};
  Tensor expected = layer.channels_first ? plain.permute({0, 3, 1, 2}) : plain;
  if (layer.adds_other) {
    in.push_back(at::randn(expected.sizes()));
    expected = expected + in[1];
  }
  expected = activated(layer.activation.name, expected);
  const Tensor before = x.clone();
  const auto step = make_device_layer(layer, at::kFloat);
  const Tensor found = step->run(in, {})[0];
  ASSERT_EQ(found.sizes(), expected.sizes()) << step->details();
  EXPECT_TRUE(at::allclose(found, expected, 1e-4, 1e-5)) << step->details();
  EXPECT_TRUE(x.equal(before)) << step->details() << " wrote to its input";
}

/// With and without a bias, a sum and a ReLU.
void expect_all(Layer layer, const Tensor& x, const std::function<Tensor(const Tensor& bias)>& plain) {
  const Tensor bias = at::randn({layer.channels()});
  for (const bool has_bias : {false, true})
    for (const bool adds : {false, true})
      for (const char* name : {"none", "relu"}) {
        layer.bias = has_bias ? bias : Tensor();
        layer.adds_other = adds;
        layer.activation.name = name;
        expect_result(layer, x, plain(has_bias ? bias : bias * 0));
      }
}

TEST(DeviceLayer, ConvolutionsOfEveryKind) {
  struct Case {
    Ints weight, padding, end_padding, stride;
    int64_t groups;
    std::string details;
  };
  const Case cases[] = {
      {{6, 4, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, "cuDNN convolution 3x3"},
      {{6, 4, 3, 3}, {0, 1}, {1, 2}, {2, 2}, 1, "cuDNN convolution 3x3"},  // more at the end
      {{4, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 4, "cuDNN convolution 3x3 groups 4"},
      {{6, 4, 1, 1}, {0, 0}, {0, 0}, {1, 1}, 1, "cuBLAS product"},
      {{6, 4, 1, 1}, {0, 0}, {0, 0}, {2, 2}, 1, "cuDNN convolution 1x1"},
  };
  const Tensor x = at::randn({2, 4, 9, 7});
  for (const Case& c : cases) {
    Layer layer;
    layer.weight = at::randn(c.weight) * 0.3;
    layer.window = {c.padding, c.end_padding, c.stride, {1, 1}, c.groups};
    EXPECT_EQ(make_device_layer(layer, at::kFloat)->details(), c.details);
    expect_all(layer, x, [&](const Tensor& bias) {
      const Tensor wide = at::constant_pad_nd(x, {c.padding[1], c.end_padding[1], c.padding[0], c.end_padding[0]});
      return at::convolution(wide, layer.weight, bias, c.stride, {0, 0}, {1, 1}, false, {0, 0}, c.groups);
    });
  }
}

TEST(DeviceLayer, LinearLayersOfEveryRank) {
  for (const bool channels_first : {false, true})
    for (const Ints& sizes : {Ints{3, 8}, Ints{2, 5, 8}, Ints{2, 4, 3, 8}}) {
      if (channels_first && sizes.size() != 4) continue;
      Layer layer;
      layer.kind = Kind::linear;
      layer.weight = at::randn({6, 8}) * 0.3;
      layer.channels_first = channels_first;
      const Tensor x = at::randn(sizes);
      expect_all(layer, x, [&](const Tensor& bias) { return at::linear(x, layer.weight, bias); });
      // Not contiguous, as after a Transpose.
      const Tensor turned = x.transpose(0, -2).contiguous().transpose(0, -2);
      expect_all(layer, turned, [&](const Tensor& bias) { return at::linear(turned, layer.weight, bias); });
    }
}

}  // namespace
}  // namespace vitrail
