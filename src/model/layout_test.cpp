#include "model/layout.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>
#include <vitrail/model.h>

#include "support/onnx_builder.h"

namespace vitrail {
namespace {

using ::testing::ElementsAre;
using testing::OnnxBuilder;

Tensor ints(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

/// Class scores from tokens [N,T,D]: their mean, a linear layer.
OnnxBuilder& read_out(OnnxBuilder& net, const std::string& tokens, int64_t depth) {
  return net.initializer("token_axis", ints({1}))
      .initializer("head.weight", at::randn({depth, 5}))
      .node("ReduceMean", {tokens, "token_axis"}, {"pooled"})
      .attribute("keepdims", int64_t{0})
      .node("MatMul", {"pooled", "head.weight"}, {"y"})
      .output("y");
}

/// Patches of 4 x 4 of a photo of `rows` x `columns` patches as tokens [N,T,6].
OnnxBuilder patches(int64_t rows, int64_t columns) {
  OnnxBuilder net;
  net.input("x", {1, 3, 4 * rows, 4 * columns})
      .initializer("patch.weight", at::randn({6, 3, 4, 4}))
      .initializer("tokens", ints({1, 6, rows * columns}))
      .node("Conv", {"x", "patch.weight"}, {"grid"})
      .attribute("strides", std::vector<int64_t>{4, 4})
      .node("Reshape", {"grid", "tokens"}, {"columns_of_tokens"})
      .node("Transpose", {"columns_of_tokens"}, {"patches"})
      .attribute("perm", std::vector<int64_t>{0, 2, 1});
  return net;
}

Model load(const OnnxBuilder& net) { return Model::load(net.save(), {.preprocess = "unit"}); }

Tensor photos(const Model& model, int64_t n = 2) {
  const Preprocess& preprocess = model.preprocess();
  return at::randn({n, preprocess.channels(), preprocess.height, preprocess.width});
}

Tensor value_of(const Model& model, const Tensor& x, const std::string& value) {
  return model.graph().run({{model.input_value(), model.to_layout(x)}}, {value})[0];
}

/// Every cell of the value's planes follows the pixels under it and no others: what a layout means, where nothing has
/// mixed positions yet. And planes go back to the value.
void expect_follows_its_pixels(const Model& model, const std::string& value) {
  SCOPED_TRACE(value);
  const auto layout = model.layouts().of(value);
  ASSERT_TRUE(layout.has_value());
  const Tensor x = photos(model, 3), original = value_of(model, x, value), planes = to_planes(original, *layout);
  ASSERT_EQ(planes.sizes().vec(), (std::vector<int64_t>{3, layout->channels, layout->height, layout->width}));
  EXPECT_TRUE(at::equal(from_planes(planes, *layout, original), original));
  const int64_t h = x.size(2) / layout->height, w = x.size(3) / layout->width;
  for (int64_t row = 0; row < layout->height; ++row)
    for (int64_t column = 0; column < layout->width; ++column) {
      Tensor changed = x.clone();
      changed[1].narrow(1, row * h, h).narrow(2, column * w, w).add_(1);
      const Tensor moved = to_planes(value_of(model, changed, value), *layout).ne(planes).any(1);
      EXPECT_EQ(moved.sum().item<int64_t>(), 1);
      EXPECT_TRUE(moved[1][row][column].item<bool>()) << row << "," << column;
    }
}

TEST(Layout, ClassTokenAndRegistersOnBothSidesOfARectangle) {
  OnnxBuilder net = patches(4, 2);
  net.initializer("class", at::randn({1, 1, 6}))
      .initializer("registers", at::randn({1, 2, 6}))
      .node("Concat", {"class", "patches", "registers"}, {"sequence"})
      .attribute("axis", int64_t{1})
      .initializer("scale", at::randn({6}))
      .node("Mul", {"sequence", "scale"}, {"scaled"});
  const Model model = load(read_out(net, "scaled", 6));
  for (const char* value : {"grid", "columns_of_tokens", "patches", "sequence", "scaled"})
    expect_follows_its_pixels(model, value);
  const auto layout = model.layouts().of("scaled");
  EXPECT_TRUE(layout->has_others);
  EXPECT_EQ(layout->height, 4);
  EXPECT_EQ(layout->width, 2);
  EXPECT_EQ(layout->channels, 6);
  EXPECT_FALSE(model.layouts().of("pooled").has_value());
  EXPECT_EQ(model.layouts().layers().front().layer.value, "scaled");
}

/// Windows of 2 x 2 of [N,4,4,6] values, rolled by one, and back.
TEST(Layout, ShiftedWindows) {
  OnnxBuilder net = patches(4, 4);
  const auto roll = [&](const std::string& in, const std::string& out, int64_t axis, int64_t first) {
    const std::string tail = out + "_tail", head = out + "_head", start = out + "_start", end = out + "_end",
                      zero = out + "_zero", axes = out + "_axes";
    net.initializer(start, ints({first}))
        .initializer(end, ints({1000}))
        .initializer(zero, ints({0}))
        .initializer(axes, ints({axis}))
        .node("Slice", {in, start, end, axes}, {tail})
        .node("Slice", {in, zero, start, axes}, {head})
        .node("Concat", {tail, head}, {out})
        .attribute("axis", axis);
  };
  net.initializer("last", ints({1, 4, 4, 6})).node("Reshape", {"patches", "last"}, {"nhwc"});
  roll("nhwc", "rolled_rows", 1, 1);
  roll("rolled_rows", "rolled", 2, 1);
  net.initializer("split", ints({1, 2, 2, 2, 2, 6}))
      .node("Reshape", {"rolled", "split"}, {"blocks"})
      .node("Transpose", {"blocks"}, {"blocks_first"})
      .attribute("perm", std::vector<int64_t>{0, 1, 3, 2, 4, 5})
      .initializer("windowed", ints({-1, 4, 6}))
      .node("Reshape", {"blocks_first", "windowed"}, {"windows"})
      .initializer("mlp.weight", at::randn({6, 8}))
      .node("MatMul", {"windows", "mlp.weight"}, {"hidden"})
      .initializer("unsplit", ints({1, 2, 2, 2, 2, 8}))
      .node("Reshape", {"hidden", "unsplit"}, {"hidden_blocks"})
      .node("Transpose", {"hidden_blocks"}, {"hidden_rows"})
      .attribute("perm", std::vector<int64_t>{0, 1, 3, 2, 4, 5})
      .initializer("whole", ints({1, 4, 4, 8}))
      .node("Reshape", {"hidden_rows", "whole"}, {"hidden_nhwc"});
  roll("hidden_nhwc", "back_rows", 1, 3);
  roll("back_rows", "back", 2, 3);
  net.initializer("flat_tokens", ints({1, 16, 8})).node("Reshape", {"back", "flat_tokens"}, {"end"});
  const Model model = load(read_out(net, "end", 8));
  for (const char* value : {"nhwc", "rolled", "blocks_first", "windows", "hidden", "back", "end"})
    expect_follows_its_pixels(model, value);
  EXPECT_EQ(to_string(model.graph().value("windows").shape), "[4*N,4,6]");
}

/// Values [N,3,5,6] of a grid that is padded at its end, then all around, cut into windows of 2 x 2, and cut back.
TEST(Layout, PaddedWindows) {
  OnnxBuilder net = patches(3, 5);
  net.initializer("last", ints({1, 3, 5, 6}))
      .node("Reshape", {"patches", "last"}, {"nhwc"})
      .initializer("pads", ints({0, 0, 0, 0, 0, 1, 1, 0}))
      .node("Pad", {"nhwc", "pads"}, {"padded"})
      .initializer("from", ints({1, 1}))
      .initializer("plane", ints({1, 2}))
      .initializer("round", ints({0, 1, 1, 0, 0, 1, 1, 0}))
      .node("Pad", {"padded", "round"}, {"wider"})
      .initializer("split", ints({1, 3, 2, 4, 2, 6}))
      .node("Reshape", {"wider", "split"}, {"blocks"})
      .node("Transpose", {"blocks"}, {"blocks_first"})
      .attribute("perm", std::vector<int64_t>{0, 1, 3, 2, 4, 5})
      .initializer("windowed", ints({-1, 4, 6}))
      .node("Reshape", {"blocks_first", "windowed"}, {"windows"})
      .initializer("mlp.weight", at::randn({6, 8}))
      .initializer("mlp.bias", at::randn({8}))
      .node("MatMul", {"windows", "mlp.weight"}, {"hidden"})
      .node("Add", {"hidden", "mlp.bias"}, {"biased"})  // padding is no zero any more
      .initializer("unsplit", ints({1, 3, 4, 2, 2, 8}))
      .node("Reshape", {"biased", "unsplit"}, {"biased_blocks"})
      .node("Transpose", {"biased_blocks"}, {"biased_rows"})
      .attribute("perm", std::vector<int64_t>{0, 1, 3, 2, 4, 5})
      .initializer("whole", ints({1, 6, 8, 8}))
      .node("Reshape", {"biased_rows", "whole"}, {"biased_nhwc"})
      .initializer("upto", ints({4, 6}))
      .node("Slice", {"biased_nhwc", "from", "upto", "plane"}, {"back"})
      .initializer("flat_tokens", ints({1, 15, 8}))
      .node("Reshape", {"back", "flat_tokens"}, {"end"});
  const Model model = load(read_out(net, "end", 8));
  for (const char* value : {"padded", "wider", "windows", "hidden", "biased", "biased_nhwc", "back", "end"})
    expect_follows_its_pixels(model, value);
  EXPECT_EQ(to_string(model.graph().value("windows").shape), "[12*N,4,6]");
  EXPECT_TRUE(model.layouts().of("windows")->has_others);
  EXPECT_FALSE(model.layouts().of("back")->has_others);
}

TEST(Layout, MergedPatchesMakeACoarserGrid) {
  OnnxBuilder net = patches(4, 4);
  net.initializer("last", ints({1, 4, 4, 6})).node("Reshape", {"patches", "last"}, {"nhwc"});
  net.initializer("axes", ints({1, 2})).initializer("ends", ints({4, 4})).initializer("steps", ints({2, 2}));
  for (int64_t i = 0; i < 4; ++i) {
    const std::string name = "corner" + std::to_string(i);
    net.initializer(name + "_start", ints({i / 2, i % 2}))
        .node("Slice", {"nhwc", name + "_start", "ends", "axes", "steps"}, {name});
  }
  net.node("Concat", {"corner0", "corner1", "corner2", "corner3"}, {"corners"})
      .attribute("axis", int64_t{3})
      .initializer("merge.weight", at::randn({24, 10}))
      .node("MatMul", {"corners", "merge.weight"}, {"merged"})
      .initializer("flat_tokens", ints({1, 4, 10}))
      .node("Reshape", {"merged", "flat_tokens"}, {"end"});
  const Model model = load(read_out(net, "end", 10));
  expect_follows_its_pixels(model, "corners");
  EXPECT_EQ(model.layouts().of("corners")->height, 4);  // of every patch its own numbers still
  expect_follows_its_pixels(model, "merged");
  EXPECT_EQ(model.layouts().of("merged")->height, 2);
}

/// A grid of odd sizes gets a row and a column of zeros before two by two become one, as Swin does.
TEST(Layout, MergedPatchesAtTheEndMayBeCut) {
  OnnxBuilder net = patches(3, 5);
  net.initializer("last", ints({1, 3, 5, 6}))
      .node("Reshape", {"patches", "last"}, {"nhwc"})
      .initializer("pads", ints({0, 0, 0, 0, 0, 1, 1, 0}))
      .node("Pad", {"nhwc", "pads"}, {"padded"})
      .initializer("split", ints({1, 2, 2, 3, 2, 6}))
      .node("Reshape", {"padded", "split"}, {"blocks"})
      .node("Transpose", {"blocks"}, {"corners"})
      .attribute("perm", std::vector<int64_t>{0, 1, 3, 2, 4, 5})
      .initializer("four", ints({1, 2, 3, 24}))
      .node("Reshape", {"corners", "four"}, {"fours"})
      .initializer("merge.weight", at::randn({24, 10}))
      .node("MatMul", {"fours", "merge.weight"}, {"merged"})
      .initializer("flat_tokens", ints({1, 6, 10}))
      .node("Reshape", {"merged", "flat_tokens"}, {"end"});
  const Model model = load(read_out(net, "end", 10));
  const auto layout = model.layouts().of("end");
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(layout->height, 2);
  EXPECT_EQ(layout->width, 3);
  const Tensor x = photos(model, 1), planes = to_planes(value_of(model, x, "end"), *layout);
  for (int64_t row = 0; row < 3; ++row)
    for (int64_t column = 0; column < 5; ++column) {  // the patches before they are merged
      Tensor changed = x.clone();
      changed[0].narrow(1, 4 * row, 4).narrow(2, 4 * column, 4).add_(1);
      const Tensor moved = to_planes(value_of(model, changed, "end"), *layout).ne(planes).any(1)[0];
      EXPECT_EQ(moved.sum().item<int64_t>(), 1);
      EXPECT_TRUE(moved[row / 2][column / 2].item<bool>()) << row << "," << column;
    }
}

TEST(Layout, PatchesCutByAReshapeOfChannelsLastInput) {
  OnnxBuilder net;
  net.input("x", {1, 8, 12, 3})
      .initializer("cut", ints({1, 2, 4, 3, 4, 3}))
      .node("Reshape", {"x", "cut"}, {"cut_pixels"})
      .node("Transpose", {"cut_pixels"}, {"by_patch"})
      .attribute("perm", std::vector<int64_t>{0, 1, 3, 2, 4, 5})
      .initializer("tokens", ints({1, 6, 48}))
      .node("Reshape", {"by_patch", "tokens"}, {"pixels_of_patches"})
      .initializer("embed.weight", at::randn({48, 7}))
      .node("MatMul", {"pixels_of_patches", "embed.weight"}, {"embedded"});
  const Model model = load(read_out(net, "embedded", 7));
  expect_follows_its_pixels(model, "embedded");
  EXPECT_EQ(model.layouts().of("embedded")->height, 2);
  EXPECT_EQ(model.layouts().of("embedded")->width, 3);
  EXPECT_EQ(model.layouts().of("pixels_of_patches")->height, 8);  // a pixel is a position still
}

TEST(Layout, ShortcutsThatSkipPixelsAndPadChannels) {
  OnnxBuilder net;
  net.input("x", {1, 3, 8, 8})
      .initializer("begin", ints({0, 0}))
      .initializer("end", ints({8, 8}))
      .initializer("axes", ints({2, 3}))
      .initializer("steps", ints({2, 2}))
      .node("Slice", {"x", "begin", "end", "axes", "steps"}, {"skipped"})
      .initializer("pads", ints({0, 1, 0, 0, 0, 1, 0, 0}))
      .node("Pad", {"skipped", "pads"}, {"padded"})
      .initializer("conv.weight", at::randn({5, 3, 2, 2}))
      .node("Conv", {"x", "conv.weight"}, {"conv"})
      .attribute("strides", std::vector<int64_t>{2, 2})
      .node("Add", {"padded", "conv"}, {"sum"})
      .node("Relu", {"sum"}, {"end_of_block"})
      .initializer("tokens", ints({1, 16, 5}))
      .node("Reshape", {"end_of_block", "tokens"}, {"rows"});
  const Model model = load(read_out(net, "rows", 5));
  for (const char* value : {"skipped", "sum", "end_of_block"}) {
    const auto layout = model.layouts().of(value);
    ASSERT_TRUE(layout.has_value()) << value;
    EXPECT_TRUE(layout->is_planes()) << value;
    EXPECT_EQ(layout->height, 4) << value;
  }
  expect_follows_its_pixels(model, "conv");
  EXPECT_EQ(model.layouts().layers().front().layer.value, "end_of_block");
}

TEST(Layout, HeadsAndTokensBeforeTheBatch) {
  OnnxBuilder net = patches(2, 3);
  net.initializer("heads", ints({1, 6, 2, 3}))
      .node("Reshape", {"patches", "heads"}, {"split"})
      .node("Transpose", {"split"}, {"by_head"})
      .attribute("perm", std::vector<int64_t>{0, 2, 1, 3})
      .node("Transpose", {"patches"}, {"tokens_first"})
      .attribute("perm", std::vector<int64_t>{1, 0, 2})
      .node("Neg", {"by_head"}, {"negated"})
      .node("Neg", {"tokens_first"}, {"turned"})
      .node("Transpose", {"turned"}, {"end"})
      .attribute("perm", std::vector<int64_t>{1, 0, 2})
      .output("negated");
  const Model model = Model::load(read_out(net, "end", 6).save(), {.preprocess = "unit", .output = "y"});
  for (const char* value : {"split", "by_head", "tokens_first", "turned", "end"})
    expect_follows_its_pixels(model, value);
  EXPECT_EQ(model.layouts().of("by_head")->channels, 6);
}

/// Patches cut, embedded and split into heads by Einsum.
OnnxBuilder einsum_patches() {
  OnnxBuilder net;
  net.input("x", {1, 3, 8, 12})
      .initializer("cut", ints({1, 3, 2, 4, 3, 4}))
      .node("Reshape", {"x", "cut"}, {"cut_pixels"})
      .node("Einsum", {"cut_pixels"}, {"by_patch"})
      .attribute("equation", "nchpwq -> nhwpqc")
      .initializer("embed.weight", at::randn({4, 4, 3, 6}))
      .node("Einsum", {"by_patch", "embed.weight"}, {"embedded"})
      .attribute("equation", "nhwpqc,pqcd->nhwd")
      .initializer("tokens", ints({1, 6, 6}))
      .node("Reshape", {"embedded", "tokens"}, {"sequence"});
  for (const std::string part : {"q", "k", "v"})
    net.initializer(part + ".weight", at::randn({2, 6, 3}))
        .node("Einsum", {"sequence", part + ".weight"}, {part})
        .attribute("equation", "b n e, h e d -> b h n d");
  return net;
}

TEST(Layout, PositionsGoThroughEinsum) {
  OnnxBuilder net = einsum_patches();
  net.node("Einsum", {"q", "k"}, {"scores"})
      .attribute("equation", "...id,...jd->...ij")
      .node("Softmax", {"scores"}, {"weights"})
      .node("Einsum", {"v", "weights"}, {"mixed"})  // the queries come second
      .attribute("equation", "bhjd,bhij->bihd")
      .initializer("proj.weight", at::randn({2, 3, 6}))
      .node("Einsum", {"mixed", "proj.weight"}, {"projected"})
      .attribute("equation", "bihd,hde->bie");
  const Model model = load(read_out(net, "projected", 6));
  for (const char* value : {"embedded", "sequence", "q", "k", "v"}) expect_follows_its_pixels(model, value);
  EXPECT_EQ(model.layouts().of("by_patch")->height, 8);  // a pixel is a position still
  EXPECT_TRUE(model.layouts().of("weights")->between_positions);
  const auto probe = model.probe({Target{.index = 2}});
  const Tensor x = photos(model);
  for (const std::string value : {"embedded", "k", "mixed", "projected"}) {
    const Tensor activation = probe->activation(x, value);
    EXPECT_EQ(activation.sizes().vec(), (std::vector<int64_t>{2, 6, 2, 3})) << value;
    EXPECT_TRUE(at::allclose(probe->score_from(x, value, activation), probe->score(x), 1e-4, 1e-5)) << value;
  }
  EXPECT_EQ(model.layouts().layers().front().layer.value, "projected");
  EXPECT_THAT(model.layouts().not_affine_behind("projected"), ElementsAre());
  EXPECT_THAT(model.layouts().not_affine_behind("v"), ElementsAre());
}

/// What cannot be followed is not guessed: a diagonal, and sums over all positions.
TEST(Layout, EinsumsWithoutPositions) {
  OnnxBuilder net = einsum_patches();
  net.node("Einsum", {"q", "k"}, {"y"})
      .attribute("equation", "bhid,bhjd->bd")
      .output("y")
      .node("Einsum", {"q", "k"}, {"scores"})
      .attribute("equation", "bhid,bhjd->bhij")
      .node("Einsum", {"scores"}, {"own"})
      .attribute("equation", "bhii->bhi")
      .output("own");
  const Model model = Model::load(net.save(), {.preprocess = "unit", .output = "y"});
  EXPECT_FALSE(model.layouts().of("y").has_value());
  EXPECT_FALSE(model.layouts().of("own").has_value());
  EXPECT_THROW(model.probe({Target{.index = 2}})->activation(photos(model), "own"), UsageError);
}

/// One attention, its projections separate, the class token read out.
OnnxBuilder class_token_net() {
  OnnxBuilder net = patches(3, 2);
  net.initializer("class", at::randn({1, 1, 6}))
      .node("Concat", {"class", "patches"}, {"sequence"})
      .attribute("axis", int64_t{1})
      .initializer("norm.weight", at::randn({6}))
      .initializer("norm.bias", at::randn({6}))
      .node("LayerNormalization", {"sequence", "norm.weight", "norm.bias"}, {"normed"});
  for (const std::string part : {"q", "k", "v"})
    net.initializer(part + ".weight", at::randn({6, 6})).node("MatMul", {"normed", part + ".weight"}, {part});
  net.node("Transpose", {"k"}, {"kt"})
      .attribute("perm", std::vector<int64_t>{0, 2, 1})
      .node("MatMul", {"q", "kt"}, {"scores"})
      .node("Softmax", {"scores"}, {"weights"})
      .node("MatMul", {"weights", "v"}, {"mixed"})
      .node("Add", {"sequence", "mixed"}, {"sum"})
      .initializer("mlp.weight", at::randn({6, 6}))
      .node("MatMul", {"sum", "mlp.weight"}, {"mlp"})
      .node("Add", {"sum", "mlp"}, {"last"})
      .initializer("zero", at::tensor(0, at::kLong))
      .node("Gather", {"last", "zero"}, {"y"})
      .attribute("axis", int64_t{1})
      .output("y");
  return net;
}

TEST(Layout, BehindTheLastAttentionPatchesReachNoClassToken) {
  const Model model = load(class_token_net());
  std::vector<std::string> values;
  for (const SpatialLayer& spatial : model.layouts().layers()) values.push_back(spatial.layer.value);
  // Attention's own projections come late, what the class token no longer sees last, its weights not at all.
  EXPECT_THAT(values, ElementsAre("normed", "sequence", "grid", "v", "k", "last", "mlp", "sum", "mixed", "q"));
  EXPECT_TRUE(model.layouts().of("weights")->between_positions);
  EXPECT_EQ(model.layouts().of("mixed")->height, 3);
  const auto probe = model.probe({Target{.index = 2}});
  const Tensor x = photos(model);
  for (const std::string& value : values) {
    const Tensor activation = probe->activation(x, value);
    EXPECT_EQ(activation.sizes().vec(), (std::vector<int64_t>{2, 6, 3, 2})) << value;
    EXPECT_TRUE(at::allclose(probe->score_from(x, value, activation), probe->score(x), 1e-4, 1e-5)) << value;
  }
}

TEST(Layout, ASuffixRunsForManyValuesOfOneLayer) {
  const Model model = load(class_token_net());
  const auto probe = model.probe({Target{.index = 2}, Target{.index = 3}});
  const Tensor x = photos(model, 1);
  for (const char* layer : {"normed", "k", "sequence", "grid"}) {  // with and without shortcuts and class token
    const auto suffix = probe->suffix(x, layer);
    const Tensor others = suffix->activation() + at::randn({5, 6, 3, 2});
    const Tensor expected = probe->score_from(x.expand({5, -1, -1, -1}), layer, others);
    EXPECT_TRUE(at::allclose(suffix->score(others), expected, 1e-4, 1e-5)) << layer;
    EXPECT_TRUE(at::allclose(suffix->score(suffix->activation()), probe->score(x), 1e-4, 1e-5)) << layer;
  }
  const auto both = probe->suffix(photos(model, 2), "k");
  EXPECT_EQ(both->score(both->activation()).sizes().vec(), (std::vector<int64_t>{2, 2}));
}

TEST(Layout, RefusesValuesWithoutPositions) {
  const Model model = load(class_token_net());
  const auto probe = model.probe({Target{.index = 2}});
  EXPECT_THROW(probe->activation(photos(model), "y"), UsageError);
  EXPECT_THROW(probe->activation(photos(model), "no such layer"), UsageError);
}

TEST(Layout, SaysWhatIsNotAffineBehindALayer) {
  const Model model = load(class_token_net());
  EXPECT_THAT(model.layouts().not_affine_behind("last"), ElementsAre());
  EXPECT_THAT(model.layouts().not_affine_behind("v"), ElementsAre());  // the attention weights do not depend on it
  EXPECT_THAT(model.layouts().not_affine_behind("q"), ElementsAre(::testing::HasSubstr("Softmax")));
  EXPECT_GT(model.layouts().not_affine_behind("sequence").size(), 2u);
}

}  // namespace
}  // namespace vitrail
