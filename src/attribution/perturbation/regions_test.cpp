#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <vitrail/error.h>
#include <vitrail/image.h>
#include <vitrail/regions.h>

#include <filesystem>
#include <fstream>

#include "attribution/perturbation/scorers_for_tests.h"
#include "attribution/perturbation/slic.h"

namespace vitrail {
namespace {

/// A red half, a green half, a blue square in the middle, [3,40,60].
Tensor flag() {
  Tensor image = at::zeros({3, 40, 60});
  image[0].narrow(1, 0, 30).fill_(1);
  image[1].narrow(1, 30, 30).fill_(1);
  image.narrow(1, 12, 16).narrow(2, 22, 16).zero_();
  image[2].narrow(0, 12, 16).narrow(1, 22, 16).fill_(1);
  return image;
}

TEST(Regions, AGridHasEqualRectangles) {
  const LabelMap map = Regions().divide(at::zeros({1, 4, 6}), 2);
  EXPECT_EQ(map.count, 4);
  EXPECT_TRUE(map.is_grid);
  EXPECT_TRUE(at::equal(
      map.labels,
      at::tensor({0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 2, 2, 2, 3, 3, 3}, at::kLong).view({4, 6})));
  EXPECT_THROW(Regions().divide(at::zeros({1, 4, 6}), 5), UsageError);
}

TEST(Regions, SuperpixelsFollowTheColours) {
  const Tensor image = flag();
  const LabelMap map = Regions("slic").divide(image, 3);
  EXPECT_FALSE(map.is_grid);
  EXPECT_GE(map.count, 6);
  EXPECT_LE(map.count, 9);
  for (int64_t label = 0; label < map.count; ++label) {  // of one colour each
    const Tensor inside = image.flatten(1).index_select(1, (map.labels == label).flatten().nonzero().squeeze(1));
    ASSERT_GT(inside.size(1), 0) << label;
    EXPECT_EQ((inside.amax(1) - inside.amin(1)).max().item<double>(), 0) << label;
  }
}

TEST(Regions, SuperpixelsAreAsManyAsAsked) {
  const Tensor image = wave(3, 60, 80, 0.05);
  const Tensor labels = slic(image, 24);
  const int64_t count = labels.max().item<int64_t>() + 1;
  EXPECT_EQ(count, 24);
  EXPECT_TRUE(at::equal(labels, slic(image, 24)));
  EXPECT_FALSE(at::equal(labels, slic(image, 24, /*compactness=*/1000)));
  EXPECT_EQ(slic(at::zeros({3, 30, 30}), 9).max().item<int64_t>(), 8);  // without colours: a grid
}

TEST(Regions, APictureIsALabelMap) {
  const auto path = std::filesystem::path(testing::TempDir()) / "regions.png";
  const Tensor colours = (flag() * 255).to(at::kByte).permute({1, 2, 0}).contiguous();
  const auto png = encode_png(colours);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(png.data()), static_cast<std::streamsize>(png.size()));
  const LabelMap map = Regions(path.string()).divide(at::zeros({3, 20, 30}), 8);
  EXPECT_EQ(map.count, 3);
  EXPECT_EQ(map.labels.sizes(), (std::vector<int64_t>{20, 30}));
  EXPECT_EQ((map.labels == map.labels[10][15]).sum().item<int64_t>(), 8 * 8);  // the square, at half the size
  EXPECT_THROW(Regions("no-such-file.png"), UsageError);
  EXPECT_THROW(Regions("slick"), UsageError);
}

}  // namespace
}  // namespace vitrail
