#include <ATen/ops/affine_grid_generator.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/col2im.h>
#include <ATen/ops/grid_sampler.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

Tensor run(const std::string& op, Tensors inputs, NamedAttributes attributes = {}) {
  return OperatorCase{op, std::move(attributes), std::move(inputs)}.run()[0];
}

/// ATen numbers the modes and paddings; it has no cubic in three dimensions.
TEST(GridSample, IsThatOfAten) {
  const std::vector<std::string> modes = {"linear", "nearest", "cubic"}, paddings = {"zeros", "border", "reflection"};
  const Tensor image = noise({2, 3, 5, 4}), grid = noise({2, 6, 7, 2}) * 1.5;
  const Tensor volume = noise({2, 3, 5, 4, 3}), grid_3d = noise({2, 4, 5, 6, 3}) * 1.5;
  for (int64_t mode = 0; mode < 3; ++mode) {
    for (int64_t padding = 0; padding < 3; ++padding) {
      for (bool align : {false, true}) {
        const NamedAttributes attributes{
            {"mode", modes[mode]}, {"padding_mode", paddings[padding]}, {"align_corners", int64_t{align}}};
        SCOPED_TRACE(modes[mode] + " " + paddings[padding] + (align ? " align_corners" : ""));
        EXPECT_LT(
            distance(run("GridSample", {image, grid}, attributes), at::grid_sampler(image, grid, mode, padding, align)),
            1e-12);
        if (mode < 2) {
          EXPECT_LT(distance(run("GridSample", {volume, grid_3d}, attributes),
                             at::grid_sampler(volume, grid_3d, mode, padding, align)),
                    1e-12);
        }
      }
    }
  }
  EXPECT_THROW(run("GridSample", {image, noise({1, 6, 7, 2})}), ModelError);
  EXPECT_THROW(run("GridSample", {image, grid}, {{"mode", std::string("bilinear")}}), ModelError);
}

TEST(AffineGrid, IsThatOfAten) {
  for (bool align : {false, true}) {
    const NamedAttributes attributes{{"align_corners", int64_t{align}}};
    const Tensor flat = noise({2, 2, 3}), deep = noise({2, 3, 4});
    EXPECT_LT(distance(run("AffineGrid", {flat, int_tensor({2, 1, 4, 5})}, attributes),
                       at::affine_grid_generator(flat, {2, 1, 4, 5}, align)),
              1e-12);
    EXPECT_LT(distance(run("AffineGrid", {deep, int_tensor({2, 1, 3, 4, 5})}, attributes),
                       at::affine_grid_generator(deep, {2, 1, 3, 4, 5}, align)),
              1e-12);
  }
  EXPECT_THROW(run("AffineGrid", {noise({2, 2, 3}), int_tensor({2, 4, 5})}), ModelError);
}

TEST(RoiAlign, AveragesSamplesInEachCell) {
  // On a plane, bilinear samples are exact and the mean of a cell is the value at its centre.
  const Tensor x = at::arange(64, at::kDouble).reshape({1, 1, 8, 8});  // 8 row + column
  const Tensor regions = float_tensor({1, 2, 5, 6}, {1, 4}), sample = int_tensor({0});
  const NamedAttributes size{{"output_height", int64_t{2}}, {"output_width", int64_t{1}}};
  // half_pixel: the region's rows 1.5 to 5.5, columns 0.5 to 4.5.
  expect_values(run("RoiAlign", {x, regions, sample}, size), {8 * 2.5 + 2.5, 8 * 4.5 + 2.5}, {1, 1, 2, 1});
  NamedAttributes whole = size;
  whole.push_back({"coordinate_transformation_mode", std::string("output_half_pixel")});
  expect_values(run("RoiAlign", {x, regions, sample}, whole), {8 * 3.0 + 3, 8 * 5.0 + 3}, {1, 1, 2, 1});
  EXPECT_THROW(run("RoiAlign", {x, regions, int_tensor({1})}), ModelError);
  const Tensor nowhere = float_tensor({NAN, 2, 5, INFINITY}, {1, 4});
  EXPECT_EQ(run("RoiAlign", {x, nowhere, sample}, size).sizes().vec(), (Ints{1, 1, 2, 1}));
  EXPECT_THROW(
      run("RoiAlign", {x, regions, sample}, {{"output_height", int64_t{4096}}, {"sampling_ratio", int64_t{4096}}}),
      ModelError);
  EXPECT_EQ(run("RoiAlign", {x, at::zeros({0, 4}), int_tensor({})}, size).sizes().vec(), (Ints{0, 1, 2, 1}));
}

TEST(Col2Im, AddsUpBlocksWhereTheyLay) {
  const Tensor x = noise({2, 3 * 4, 2 * 3});
  const NamedAttributes attributes{{"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 1, 0}}, {"dilations", Ints{1, 2}}};
  EXPECT_LT(distance(run("Col2Im", {x, int_tensor({3, 5}), int_tensor({2, 2})}, attributes),
                     at::col2im(x, {3, 5}, {2, 2}, {1, 2}, {1, 0}, {2, 1})),
            1e-12);
  // One dimension: windows of three over four places, each place as often as it is covered.
  expect_values(run("Col2Im", {float_tensor({1, 1, 1, 1, 1, 1}, {1, 3, 2}), int_tensor({4}), int_tensor({3})}),
                {1, 2, 2, 1}, {1, 1, 4});
  EXPECT_THROW(run("Col2Im", {x, int_tensor({3, 5}), int_tensor({2, 2})}), ModelError);
  const NamedAttributes wide{{"pads", Ints(12, 1 << 24)}};
  EXPECT_THROW(run("Col2Im", {x, int_tensor(Ints(6, 1)), int_tensor(Ints(6, 1))}, wide), ModelError);
}

TEST(Sampling, HasTheRightDerivatives) {
  const Tensor image = noise({1, 2, 4, 5}), grid = noise({1, 2, 3, 2});
  for (const std::string padding : {"zeros", "border", "reflection"}) {
    for (const std::string mode : {"linear", "cubic"})
      expect_derivatives({"GridSample", {{"mode", mode}, {"padding_mode", padding}}, {image, grid}});
    expect_derivatives(
        {"GridSample", {{"mode", std::string("nearest")}, {"padding_mode", padding}}, {image, grid}, 1, false, {1}});
  }
  expect_derivatives({"AffineGrid", {}, {noise({2, 2, 3}), int_tensor({2, 1, 3, 4})}});
  const Tensor regions = float_tensor({0, 0, 3, 3}, {1, 4}).to(at::kDouble);
  for (const std::string mode : {"avg", "max"})
    expect_derivatives({"RoiAlign",
                        {{"mode", mode}, {"output_height", int64_t{2}}},
                        {image, regions, int_tensor({0})},
                        1,
                        false,
                        {1}});
  expect_derivatives({"Col2Im", {}, {noise({1, 8, 6}), int_tensor({3, 4}), int_tensor({2, 2})}});
}

}  // namespace
}  // namespace vitrail
