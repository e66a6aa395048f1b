#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <array>

#include "image/pictures_for_tests.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using namespace vitrail::testing;

struct Filter {
  std::string name;
  ResizeFilter filter;
  int64_t levels;  ///< that it may differ from Pillow
};

class ResizeAsPillow : public ::testing::TestWithParam<Filter> {};

TEST_P(ResizeAsPillow, DownUpAndSideways) {
  const Tensor source = read_ppm(pictures() / "noise.ppm");
  for (const auto& [width, height] : std::array<std::pair<int64_t, int64_t>, 3>{{{23, 17}, {60, 13}, {97, 71}}}) {
    const std::string name =
        "noise_" + GetParam().name + "_" + std::to_string(width) + "x" + std::to_string(height) + ".ppm";
    const Tensor expected = read_ppm(pictures() / name);
    const Tensor found = resize(source, height, width, GetParam().filter);
    EXPECT_LE(levels_apart(found, expected), GetParam().levels) << name;
    EXPECT_GE(found.eq(expected).to(at::kFloat).mean().item<double>(), 0.99) << name;
    EXPECT_TRUE(found.is_contiguous());
  }
}

INSTANTIATE_TEST_SUITE_P(Filters, ResizeAsPillow,
                         ::testing::Values(Filter{"nearest", ResizeFilter::nearest, 0},
                                           Filter{"bilinear", ResizeFilter::bilinear, 1},
                                           Filter{"bicubic", ResizeFilter::bicubic, 2}),
                         [](const auto& info) { return info.param.name; });

TEST(Resize, WithoutAntialiasingReadsOnlyTheNeighbours) {
  // Every other column: the centre of a new pixel lies between two old ones.
  Tensor stripes = at::full({2, 8, 3}, 0, at::kByte);
  stripes.slice(1, 0, 8, 4).fill_(200);
  const Tensor sparse = resize(stripes, 2, 2, ResizeFilter::bilinear, /*antialias=*/false);
  EXPECT_EQ(sparse.max().item<int64_t>(), 0) << "columns 1 and 2, 5 and 6";
  const Tensor smooth = resize(stripes, 2, 2, ResizeFilter::bilinear, /*antialias=*/true);
  EXPECT_GT(smooth.min().item<int64_t>(), 30);
}

// A step from 0 to 200, twice as wide: new pixels lie a quarter and three quarters between two old ones.
TEST(Resize, WithoutAntialiasingWeighsByTheFormula) {
  const Tensor step = at::tensor({0, 0, 200, 200}, at::kByte).reshape({1, 4, 1});
  const Tensor linear = at::tensor({0, 0, 0, 50, 150, 200, 200, 200}, at::kByte);
  EXPECT_TRUE(resize(step, 1, 8, ResizeFilter::bilinear, false).flatten().equal(linear));
  // Keys' kernel with a = -0.75: W(3/4) = 67/256 and W(7/4) = -9/256; the overshoot beyond 0 and 255 is cut.
  const Tensor cubic = at::tensor({0, 0, 0, 45, 155, 221, 207, 200}, at::kByte);
  EXPECT_TRUE(resize(step, 1, 8, ResizeFilter::bicubic, false).flatten().equal(cubic))
      << resize(step, 1, 8, ResizeFilter::bicubic, false).flatten();
}

TEST(Resize, KeepsFlatColoursAndTheSameSize) {
  const Tensor flat = at::full({9, 7, 3}, 131, at::kByte);
  for (ResizeFilter filter : {ResizeFilter::nearest, ResizeFilter::bilinear, ResizeFilter::bicubic})
    for (bool antialias : {false, true})
      EXPECT_EQ(levels_apart(resize(flat, 20, 3, filter, antialias), at::full({20, 3, 3}, 131, at::kByte)), 0);
  const Tensor noise = read_ppm(pictures() / "noise.ppm");
  EXPECT_EQ(levels_apart(resize(noise, 40, 60, ResizeFilter::bicubic), noise), 0);
}

TEST(Resize, RefusesWhatIsNoImageOrNoSize) {
  EXPECT_THROW(resize(at::full({4, 4}, 0, at::kByte), 2, 2, ResizeFilter::bilinear), UsageError);
  EXPECT_THROW(resize(at::full({4, 4, 3}, 0, at::kFloat), 2, 2, ResizeFilter::bilinear), UsageError);
  EXPECT_THROW(resize(at::full({4, 4, 3}, 0, at::kByte), 0, 2, ResizeFilter::bilinear), UsageError);
  EXPECT_THROW(resize(at::full({0, 4, 3}, 0, at::kByte), 2, 2, ResizeFilter::nearest), UsageError);
  EXPECT_THROW(resize(Tensor(), 2, 2, ResizeFilter::bicubic), UsageError);
}

}  // namespace
}  // namespace vitrail
