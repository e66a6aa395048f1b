#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <vitrail/error.h>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

NamedAttributes attributes(const std::string& mode, const std::string& coordinates, NamedAttributes more = {}) {
  more.push_back({"mode", mode});
  more.push_back({"coordinate_transformation_mode", coordinates});
  return more;
}

Tensor by_scales(const Tensor& x, std::vector<double> scales, NamedAttributes given, bool constants = false) {
  const auto n = static_cast<int64_t>(scales.size());
  return OperatorCase{"Resize", std::move(given), {x, Tensor(), float_tensor(std::move(scales), {n})}, 1, constants}
      .run()[0];
}

Tensor by_sizes(const Tensor& x, Ints sizes, NamedAttributes given, const Tensor& roi = {}) {
  return OperatorCase{"Resize", std::move(given), {x, roi, Tensor(), int_tensor(std::move(sizes))}}.run()[0];
}

Tensor ramp() { return float_tensor({1, 2, 4, 8}, {1, 1, 4}); }

// Computed with the reference evaluator of the onnx package.
TEST(Resize, AgreesWithTheReferenceInEveryModeAndCoordinateSystem) {
  const struct {
    std::string mode, coordinates;
    double scale;
    std::vector<double> expected;
  } rows[] = {
      {"nearest", "half_pixel", 1.6, {1, 1, 2, 4, 4, 8}},
      {"nearest", "half_pixel", 0.7, {1, 4}},
      {"nearest", "half_pixel_symmetric", 1.6, {1, 2, 2, 4, 4, 8}},
      {"nearest", "half_pixel_symmetric", 0.7, {2, 4}},
      {"nearest", "pytorch_half_pixel", 1.6, {1, 1, 2, 4, 4, 8}},
      {"nearest", "align_corners", 1.6, {1, 2, 2, 4, 4, 8}},
      {"nearest", "align_corners", 0.7, {1, 4}},
      {"nearest", "asymmetric", 1.6, {1, 2, 2, 4, 4, 8}},
      {"nearest", "asymmetric", 0.7, {1, 2}},
      {"linear", "half_pixel", 1.6, {1, 1.4375, 2.125, 3.375, 5.25, 7.75}},
      {"linear", "half_pixel", 0.7, {1.214286, 3.285714}},
      {"linear", "half_pixel_symmetric", 1.6, {1, 1.5625, 2.375, 3.625, 5.75, 8}},
      {"linear", "half_pixel_symmetric", 0.7, {1.785714, 4.857143}},
      {"linear", "pytorch_half_pixel", 0.7, {1.214286, 3.285714}},
      {"linear", "align_corners", 1.6, {1, 1.555556, 2.222222, 3.333333, 4.888889, 7.111111}},
      {"linear", "align_corners", 0.7, {1, 3.333333}},
      {"linear", "asymmetric", 1.6, {1, 1.625, 2.5, 3.75, 6, 8}},
      {"linear", "asymmetric", 0.7, {1, 2.857143}},
      {"cubic", "half_pixel", 1.6, {0.9071655, 1.268311, 2.129578, 3.022522, 5.39099, 7.806763}},
      {"cubic", "half_pixel", 0.7, {1.136114, 2.937226}},
      {"cubic", "half_pixel_symmetric", 1.6, {0.9588013, 1.362549, 2.334534, 3.322693, 5.92688, 8.164795}},
      {"cubic", "pytorch_half_pixel", 1.6, {0.9071655, 1.268311, 2.129578, 3.022522, 5.39099, 7.806763}},
      {"cubic", "align_corners", 1.6, {1, 1.356654, 2.216733, 2.981481, 4.994511, 7.264745}},
      {"cubic", "asymmetric", 1.6, {1, 1.419922, 2.417969, 3.51416, 6.187499, 8.287109}},
      {"cubic", "asymmetric", 0.7, {1, 2.629738}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.mode + " " + row.coordinates + " " + std::to_string(row.scale));
    expect_values(by_scales(ramp(), {1, 1, row.scale}, attributes(row.mode, row.coordinates)), row.expected,
                  {1, 1, static_cast<int64_t>(row.expected.size())});
  }
}

TEST(Resize, SymmetricCoordinatesHitTheMiddleExactly) {
  // Positions 1, 3 and 5 of 7: rounding up must not take the next ones.
  const NamedAttributes up{{"nearest_mode", std::string("ceil")}};
  expect_values(by_scales(at::arange(7, at::kFloat).reshape({1, 1, 7}), {1, 1, 0.5},
                          attributes("nearest", "half_pixel_symmetric", up)),
                {1, 3, 5}, {1, 1, 3});
}

TEST(Resize, RoundsNearestAsTold) {
  const struct {
    std::string nearest;
    std::vector<double> asymmetric, aligned;
  } rows[] = {
      {"round_prefer_floor", {1, 1, 2, 2, 4, 4, 8, 8}, {1, 2, 8}},
      {"round_prefer_ceil", {1, 2, 2, 4, 4, 8, 8, 8}, {1, 4, 8}},
      {"floor", {1, 1, 2, 2, 4, 4, 8, 8}, {1, 2, 8}},
      {"ceil", {1, 2, 2, 4, 4, 8, 8, 8}, {1, 4, 8}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.nearest);
    const NamedAttributes rounding{{"nearest_mode", row.nearest}};
    expect_values(by_sizes(ramp(), {1, 1, 8}, attributes("nearest", "asymmetric", rounding)), row.asymmetric,
                  {1, 1, 8});
    expect_values(by_sizes(ramp(), {1, 1, 3}, attributes("nearest", "align_corners", rounding)), row.aligned,
                  {1, 1, 3});
  }
}

TEST(Resize, WidensTheFilterWhereAntialiasedAndDropsTheOutsideWhereTold) {
  const NamedAttributes smooth{{"antialias", int64_t{1}}}, inside{{"exclude_outside", int64_t{1}}};
  const NamedAttributes both{{"antialias", int64_t{1}}, {"exclude_outside", int64_t{1}}};
  const std::string half = "half_pixel";
  expect_values(by_scales(ramp(), {1, 1, 0.5}, attributes("linear", half, smooth)), {1.75, 5.75}, {1, 1, 2});
  expect_values(by_scales(ramp(), {1, 1, 0.6}, attributes("linear", half, both)), {1.428571, 4.444444}, {1, 1, 2});
  expect_values(by_scales(ramp(), {1, 1, 0.5}, attributes("cubic", half, smooth)), {1.339844, 5.949219}, {1, 1, 2});
  expect_values(by_scales(ramp(), {1, 1, 0.6}, attributes("cubic", half, both)), {1.137753, 4.662282}, {1, 1, 2});
  expect_values(by_scales(ramp(), {1, 1, 2}, attributes("cubic", half, inside)),
                {0.8636364, 1.141343, 1.543396, 2.417969, 3.160156, 5.215095, 7.243816, 8.545455}, {1, 1, 8});
  expect_values(by_scales(ramp(), {1, 1, 2}, attributes("cubic", half, {{"cubic_coeff_a", -0.5}})),
                {0.9296875, 1.15625, 1.65625, 2.382812, 3.335938, 4.953125, 7.234375, 8.28125}, {1, 1, 8});
}

TEST(Resize, CropsAndExtrapolates) {
  const Tensor roi = float_tensor({0, 0, 0.2, 1, 1, 1.3}, {6});
  const NamedAttributes given = attributes("linear", "tf_crop_and_resize", {{"extrapolation_value", 9.0}});
  expect_values(by_sizes(ramp(), {1, 1, 5}, given, roi), {1.6, 2.85, 5, 9, 9}, {1, 1, 5});
  EXPECT_THROW(by_sizes(ramp(), {1, 1, 5}, given), ModelError);
}

TEST(Resize, KeepsTheAspectRatioAsTold) {
  const Tensor x = noise({1, 1, 4, 8});
  const auto shape = [&](const std::string& policy) {
    return by_sizes(x, {6, 6}, {{"axes", Ints{2, 3}}, {"keep_aspect_ratio_policy", policy}}).sizes().vec();
  };
  EXPECT_EQ(shape("stretch"), (Ints{1, 1, 6, 6}));
  EXPECT_EQ(shape("not_larger"), (Ints{1, 1, 3, 6}));
  EXPECT_EQ(shape("not_smaller"), (Ints{1, 1, 6, 12}));
}

TEST(Resize, FastKernelsEqualTheLinearMap) {
  // The same picture with one axis more takes the general path.
  const Tensor x = noise({2, 3, 5, 4});
  const struct {
    NamedAttributes given;
    double scale;
  } rows[] = {
      {attributes("nearest", "asymmetric", {{"nearest_mode", std::string("floor")}}), 4},
      {attributes("nearest", "half_pixel"), 2},
      {attributes("linear", "half_pixel"), 3},
      {attributes("linear", "pytorch_half_pixel"), 2},
      {attributes("linear", "align_corners"), 2},
  };
  for (const auto& row : rows) {
    const Tensor fast = by_scales(x, {1, 1, row.scale, row.scale}, row.given);
    const Tensor general = by_scales(x.unsqueeze(0), {1, 1, 1, row.scale, row.scale}, row.given)[0];
    EXPECT_LT(distance(fast, general), 1e-12);
  }
}

TEST(Resize, ReproducesLinesInside) {
  // Linear interpolation, and cubic with a = -0.5, are exact on a line away from the edges.
  const Tensor line = at::arange(16, at::kDouble).reshape({1, 1, 16});
  for (const std::string mode : {"linear", "cubic"}) {
    const Tensor y = by_scales(line, {1, 1, 2}, attributes(mode, "half_pixel", {{"cubic_coeff_a", -0.5}}));
    const Tensor expected = (at::arange(32, at::kDouble) + 0.5) / 2 - 0.5;
    EXPECT_LT(distance(y.flatten().slice(0, 4, 28), expected.slice(0, 4, 28)), 1e-12) << mode;
  }
}

TEST(Resize, RoundsIntegersAndKeepsTheirType) {
  const Tensor x = float_tensor({0, 255, 0}, {1, 1, 3}).to(at::kByte);
  const Tensor y = by_scales(x, {1, 1, 2}, attributes("cubic", "half_pixel"), /*constants=*/true);
  EXPECT_EQ(y.scalar_type(), at::kByte);
  EXPECT_EQ(y.min().item<int64_t>(), 0);
}

TEST(Resize, RefusesWhatItCannotUnderstand) {
  EXPECT_THROW(by_scales(ramp(), {1, 2}, attributes("linear", "half_pixel")), ModelError);
  EXPECT_THROW(by_scales(ramp(), {1, 1, 0.1}, attributes("linear", "half_pixel")), ModelError);
  EXPECT_THROW(by_scales(ramp(), {1, 1, -2}, attributes("linear", "half_pixel")), ModelError);
  EXPECT_THROW(by_scales(ramp(), {1, 1, 2}, attributes("lanczos", "half_pixel")), ModelError);
  // The result is a tensor still, but the weights of every output in every input would be none.
  const Tensor wide = at::zeros({1, 1, 4096});
  EXPECT_THROW(by_scales(wide, {1, 1, 4096}, attributes("cubic", "half_pixel")), ModelError);
}

TEST(Resize, HasTheRightDerivatives) {
  const Tensor x = noise({1, 2, 3, 4}), up = float_tensor({1, 1, 2, 2}, {4}),
               down = float_tensor({1, 1, 0.7, 0.6}, {4});
  for (const std::string mode : {"nearest", "linear", "cubic"}) {
    for (const std::string coordinates : {"half_pixel", "align_corners", "asymmetric"}) {
      for (const Tensor& scales : {up, down}) {
        expect_derivatives({"Resize", attributes(mode, coordinates), {x, Tensor(), scales}, 1, true, {2}});
      }
    }
  }
  expect_derivatives(
      {"Resize", attributes("cubic", "half_pixel", {{"antialias", int64_t{1}}}), {x, Tensor(), down}, 1, true, {2}});
}

}  // namespace
}  // namespace vitrail
