// What an operator says of where it looks, against what happens when a region of an input changes.

#include "ops/locality.h"

#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <random>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

using testing::ElementsAre;

Tensor cut(const Tensor& t, const Box& box) {
  Tensor part = t;
  for (size_t d = 0; d < box.size(); ++d) part = part.narrow(static_cast<int64_t>(d), box[d].begin, box[d].size());
  return part;
}

Ints sizes_of(const Tensor& t) { return t.sizes().vec(); }

/// The smallest box that holds what differs; empty intervals where nothing does.
Box difference(const Tensor& a, const Tensor& b) {
  const Tensor differs = a.ne(b).logical_and(a.eq(a).logical_or(b.eq(b)));
  Box box;
  for (int64_t d = 0; d < a.dim(); ++d) {
    Tensor along = differs;
    for (int64_t axis = a.dim(); axis-- > 0;)
      if (axis != d) along = along.any(axis);
    const Tensor positions = along.nonzero().flatten();
    box.push_back(positions.numel() == 0 ? Interval{}
                                         : Interval{positions[0].item<int64_t>(), positions[-1].item<int64_t>() + 1});
  }
  return box;
}

/// All empty where one interval is.
Box normalised(Box box) {
  for (const Interval& interval : box)
    if (interval.size() == 0) return Box(box.size());
  return box;
}

bool contains(const Box& outer, const Box& inner) {
  for (size_t d = 0; d < outer.size(); ++d)
    if (inner[d].size() > 0 && (inner[d].begin < outer[d].begin || inner[d].end > outer[d].end)) return false;
  return true;
}

std::string text(const Box& box) {
  std::string result;
  for (const Interval& i : box) result += "[" + std::to_string(i.begin) + "," + std::to_string(i.end) + ")";
  return result;
}

class Draws {
 public:
  explicit Draws(unsigned seed) : engine_(seed) {}
  int64_t number(int64_t first, int64_t last) { return std::uniform_int_distribution<int64_t>(first, last)(engine_); }
  Box box(const Ints& sizes) {
    Box result;
    for (const int64_t size : sizes) {
      const int64_t begin = number(0, size - 1);
      result.push_back({begin, number(begin + 1, size)});
    }
    return result;
  }

 private:
  std::mt19937 engine_;
};

/// Of the floating inputs, changed in random boxes: nothing outside of the stated region of any output differs. With
/// `exact` the stated region is no larger than needed when one element in the middle changes.
void expect_contained(const OperatorCase& given, bool exact = false) {
  const auto op = given.make();
  SCOPED_TRACE(given.op + " " + op->describe());
  const Tensors before = op->forward(given.inputs, RunContext{});
  Draws draws(7);
  for (size_t i = 0; i < given.inputs.size(); ++i) {
    const Tensor& x = given.inputs[i];
    if (!x.defined() || !x.is_floating_point() || x.numel() == 0 || (given.constants && i > 0)) continue;
    for (int trial = 0; trial < 6; ++trial) {
      Box changed = draws.box(sizes_of(x));
      if (exact)  // a single element
        for (Interval& interval : changed) interval.end = interval.begin + 1;
      Tensors in = given.inputs;
      in[i] = x.clone();
      Tensor region = cut(in[i], changed);
      region.copy_(at::rand(region.sizes(), region.options()).add_(exact ? 100 : 0.5));
      const Tensors after = op->forward(in, RunContext{});
      for (size_t o = 0; o < before.size(); ++o) {
        if (!before[o].defined()) continue;
        const Locality locality = op->locality(i, o, given.inputs, sizes_of(before[o]));
        ASSERT_EQ(locality.axes.size(), static_cast<size_t>(before[o].dim()));
        const Box stated = normalised(locality.touched(changed, sizes_of(before[o]))),
                  found = difference(before[o], after[o]);
        EXPECT_TRUE(contains(stated, found)) << "input " << i << " changed in " << text(changed) << ", output " << o
                                             << " in " << text(found) << ", stated " << text(stated);
        if (exact && (i == 0 || given.op == "Concat")) {  // of the others every element may matter everywhere
          EXPECT_EQ(text(stated), text(found)) << "input changed in " << text(changed);
        }
      }
    }
  }
}

/// Applied to what a box of the output reads, it gives that box.
void expect_by_parts(const OperatorCase& given) {
  const auto op = given.make();
  SCOPED_TRACE(given.op + " " + op->describe());
  const Tensor y = op->forward(given.inputs, RunContext{})[0];
  Draws draws(3);
  for (int trial = 0; trial < 8; ++trial) {
    Box wanted = draws.box(sizes_of(y));
    Tensors in = given.inputs;
    for (size_t i = 0; i < in.size(); ++i) {
      const Locality locality = op->locality(i, 0, given.inputs, sizes_of(y));
      if (!locality.by_parts) {
        EXPECT_GT(i, 0u) << "the first input at least";
        continue;
      }
      for (size_t d = 0; d < wanted.size(); ++d) {
        const AxisReach& reach = locality.axes[d];
        if (!reach.is_same()) wanted[d] = {0, y.size(static_cast<int64_t>(d))};
      }
    }
    for (size_t i = 0; i < in.size(); ++i) {
      const Locality locality = op->locality(i, 0, given.inputs, sizes_of(y));
      if (!locality.by_parts) continue;
      for (size_t d = 0; d < wanted.size(); ++d)
        if (const AxisReach& reach = locality.axes[d];
            reach.is_same() && wanted[d].size() < y.size(static_cast<int64_t>(d))) {
          const Interval read = reach.read(wanted[d]);
          in[i] = in[i].narrow(reach.axis, read.begin, read.size());
        }
    }
    EXPECT_LT(distance(op->forward(in, RunContext{})[0], cut(y, wanted)), 1e-10) << text(wanted);
  }
}

Tensor positive(Ints shape) { return at::rand(shape, at::kDouble) + 0.1; }

TEST(Locality, ReachForwardsAndBackwards) {
  const AxisReach window{2, 2, 1, -1, 1};  // kernel 3, stride 2, padding 1
  EXPECT_EQ(window.touched({4, 5}, 10), (Interval{2, 3}));
  EXPECT_EQ(window.touched({3, 5}, 10), (Interval{1, 3}));
  EXPECT_EQ(window.read({0, 2}), (Interval{-1, 4}));
  const AxisReach doubled{2, 1, 2, 0, 0};
  EXPECT_EQ(doubled.touched({3, 4}, 10), (Interval{6, 8}));
  EXPECT_EQ(doubled.read({5, 7}), (Interval{2, 4}));
  EXPECT_EQ(AxisReach{}.touched({3, 4}, 10), (Interval{0, 10}));
  EXPECT_EQ(AxisReach::shifted(0, 4).touched({0, 3}, 10), (Interval{})) << "cut away";
}

TEST(Locality, OfConvolutionsOfEveryGeometry) {
  for (const int64_t stride : {1, 2, 3})
    for (const int64_t dilation : {1, 2})
      for (const auto& pads : std::vector<Ints>{{0, 0, 0, 0}, {1, 1, 1, 1}, {0, 1, 2, 0}})
        for (const int64_t group : {1, 2}) {
          NamedAttributes attributes{
              {"strides", Ints{stride, 2}}, {"dilations", Ints{dilation, dilation}}, {"pads", pads}, {"group", group}};
          expect_contained({"Conv", attributes, {noise({2, 4, 11, 13}), noise({6, 4 / group, 3, 2}), noise({6})}});
          if (group == 1) expect_contained({"Conv", attributes, {noise({2, 4, 11, 13}), noise({6, 4, 3, 3})}});
        }
  expect_contained({"Conv", {{"pads", Ints{1, 1, 1, 1}}}, {noise({1, 2, 9, 9}), noise({3, 2, 3, 3})}}, true);
  for (const char* pad : {"SAME_UPPER", "SAME_LOWER", "VALID"})
    for (const int64_t size : {10, 11})
      expect_contained({"Conv",
                        {{"auto_pad", std::string(pad)}, {"strides", Ints{2, 2}}},
                        {noise({1, 2, size, size}), noise({3, 2, 3, 4})}});
  expect_contained({"Conv", {{"strides", Ints{2}}}, {noise({1, 2, 9}), noise({3, 2, 3})}});
  for (const int64_t stride : {1, 2, 3})
    for (const auto& pads : std::vector<Ints>{{0, 0, 0, 0}, {1, 0, 2, 1}})
      expect_contained({"ConvTranspose",
                        {{"strides", Ints{stride, 2}}, {"pads", pads}, {"dilations", Ints{1, 2}}},
                        {noise({2, 3, 6, 5}), noise({3, 2, 3, 2})}});
  expect_contained({"ConvTranspose",
                    {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2, 2}}},
                    {noise({2, 3, 6, 5}), noise({3, 2, 3, 2})}});
}

TEST(Locality, OfPools) {
  for (const char* op : {"MaxPool", "AveragePool", "LpPool"})
    for (const int64_t stride : {1, 2, 3})
      for (const int64_t ceil : {0, 1})
        for (const auto& pads : std::vector<Ints>{{0, 0, 0, 0}, {1, 1, 1, 1}, {0, 1, 1, 0}})
          expect_contained(
              {op,
               {{"kernel_shape", Ints{3, 2}}, {"strides", Ints{stride, stride}}, {"pads", pads}, {"ceil_mode", ceil}},
               {noise({2, 3, 10, 9})}});
  expect_contained({"MaxPool", {{"kernel_shape", Ints{2, 2}}, {"dilations", Ints{2, 3}}}, {noise({2, 3, 10, 9})}});
  expect_contained({"AveragePool",
                    {{"kernel_shape", Ints{3, 3}}, {"auto_pad", std::string("SAME_LOWER")}, {"strides", Ints{2, 2}}},
                    {noise({2, 3, 10, 9})}},
                   true);
  for (const char* op : {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"})
    expect_contained({op, {}, {noise({2, 3, 5, 4})}});
}

TEST(Locality, OfElementwiseOperators) {
  for (const char* op : {"Relu", "Sigmoid", "LeakyRelu", "Clip", "HardSwish", "HardSigmoid", "Gelu", "Swish", "Elu",
                         "Selu", "Erf", "Tanh", "Identity", "Neg", "Softplus", "Not", "Dropout", "Exp"}) {
    OperatorCase given{op, {}, {std::string(op) == "Not" ? noise({2, 3, 4}).gt(0) : noise({2, 3, 4})}};
    expect_contained(given);
    expect_by_parts(given);
  }
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Max", "Min", "Greater", "PRelu"})
    for (const auto& [a, b] : std::vector<std::pair<Ints, Ints>>{
             {{2, 3, 4, 5}, {2, 3, 4, 5}}, {{2, 3, 4, 5}, {3, 1, 1}}, {{2, 3, 4, 5}, {2, 1, 4, 1}}}) {
      OperatorCase given{op, {}, {positive(a), positive(b)}};
      expect_contained(given);
      expect_by_parts(given);
    }
  OperatorCase powers{"Pow", {}, {positive({2, 3, 4}), positive({3, 1})}};
  expect_contained(powers);
  expect_by_parts(powers);
  expect_contained({"Where", {}, {noise({2, 3, 4}).gt(0), noise({3, 4}), noise({2, 1, 4})}});
  expect_by_parts({"Where", {}, {noise({2, 3, 4}).gt(0), noise({3, 4}), noise({2, 1, 4})}});
  expect_contained({"Sum", {}, {noise({2, 3}), noise({3}), noise({2, 1})}});
}

TEST(Locality, OfProducts) {
  for (const auto& [a, b] : std::vector<std::pair<Ints, Ints>>{
           {{2, 7, 5, 4}, {4, 6}}, {{2, 3, 5, 4}, {2, 3, 4, 6}}, {{5, 4}, {4, 3}}, {{4}, {4, 3}}, {{3, 4}, {4}}}) {
    OperatorCase given{"MatMul", {}, {noise(a), noise(b)}};
    expect_contained(given);
    if (a.size() > 1 && b.size() > 1) expect_by_parts(given);
  }
  for (const int64_t a : {0, 1})
    for (const int64_t b : {0, 1}) {
      OperatorCase given{"Gemm",
                         {{"transA", a}, {"transB", b}},
                         {noise(a ? Ints{4, 5} : Ints{5, 4}), noise(b ? Ints{3, 4} : Ints{4, 3}), noise({3})}};
      expect_contained(given);
      expect_by_parts(given);
    }
  expect_contained({"Einsum", {{"equation", std::string("bik,bkj->bij")}}, {noise({2, 3, 4}), noise({2, 4, 5})}});
}

TEST(Locality, OfNormalizations) {
  const Tensor x = noise({2, 4, 5, 6});
  const OperatorCase batch{"BatchNormalization", {}, {x, noise({4}), noise({4}), noise({4}), positive({4})}};
  expect_contained(batch);
  for (const int64_t axis : {-1, 2, 1}) {
    Ints shape;
    for (int64_t d = axis < 0 ? 3 : axis; d < 4; ++d) shape.push_back(x.size(d));
    OperatorCase layer{"LayerNormalization", {{"axis", axis}}, {x, noise(shape), noise(shape)}, 3};
    expect_contained(layer);
    expect_by_parts(layer);
    OperatorCase rms{"RMSNormalization", {{"axis", axis}}, {x, noise(shape)}};
    expect_contained(rms);
    expect_by_parts(rms);
  }
  expect_contained({"InstanceNormalization", {}, {x, noise({4}), noise({4})}});
  expect_contained({"GroupNormalization", {{"num_groups", int64_t{2}}}, {x, noise({4}), noise({4})}});
  for (const OperatorCase& given : std::vector<OperatorCase>{{"LRN", {{"size", int64_t{3}}}, {x}},
                                                             {"LpNormalization", {{"axis", int64_t{1}}}, {x}},
                                                             {"MeanVarianceNormalization", {}, {x}},
                                                             {"Softmax", {{"axis", int64_t{1}}}, {x}},
                                                             {"LogSoftmax", {}, {x}}}) {
    expect_contained(given);
    expect_by_parts(given);
  }
  expect_contained({"Attention", {}, {noise({1, 2, 5, 4}), noise({1, 2, 5, 4}), noise({1, 2, 5, 4})}});
}

TEST(Locality, OfReductions) {
  for (const char* op : {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2", "ReduceProd"})
    for (const auto& axes : std::vector<Ints>{{2, 3}, {-1}, {1}, {0, 2}})
      for (const int64_t keep : {0, 1}) {
        OperatorCase given{op, {{"keepdims", keep}}, {noise({2, 3, 4, 5}), int_tensor(axes)}, 1, true};
        expect_contained(given);
        expect_by_parts(given);
      }
  expect_contained({"ReduceMean", {}, {noise({2, 3, 4})}});
  expect_contained({"ReduceMean", {{"noop_with_empty_axes", int64_t{1}}}, {noise({2, 3, 4})}});
  expect_contained({"CumSum", {}, {noise({2, 3, 4}), int_tensor({1})}, 1, true});
}

TEST(Locality, OfWhatMovesValues) {
  const Tensor x = noise({2, 4, 6, 9});
  expect_contained({"Transpose", {{"perm", Ints{0, 2, 3, 1}}}, {x}}, true);
  expect_by_parts({"Transpose", {{"perm", Ints{0, 2, 3, 1}}}, {x}});
  expect_contained({"Transpose", {}, {x}}, true);
  for (const int64_t axis : {1, 2, -1}) {
    OperatorCase concat{"Concat", {{"axis", axis}}, {x, x.narrow(axis, 0, 2).clone(), x.clone()}};
    expect_contained(concat, true);
  }
  expect_by_parts({"Concat", {{"axis", int64_t{1}}}, {x, x.narrow(1, 0, 2).clone()}});
  expect_contained({"Split", {{"axis", int64_t{1}}}, {x, int_tensor({1, 3})}, 2, true}, true);
  expect_contained({"Split", {{"axis", int64_t{3}}, {"num_outputs", int64_t{2}}}, {x}, 2}, true);
  for (const auto& [starts, ends, axes, steps] :
       std::vector<std::tuple<Ints, Ints, Ints, Ints>>{{{1, 2}, {3, 100}, {1, 3}, {1, 2}},
                                                       {{-3}, {-1}, {3}, {1}},
                                                       {{-1}, {-100}, {3}, {-2}},
                                                       {{0}, {9}, {3}, {1000}}})
    expect_contained(
        {"Slice", {}, {x, int_tensor(starts), int_tensor(ends), int_tensor(axes), int_tensor(steps)}, 1, true});
  for (const char* mode : {"constant", "reflect", "edge", "wrap"})
    expect_contained({"Pad", {{"mode", std::string(mode)}}, {x, int_tensor({0, 0, 1, 2, 0, 0, 3, -1})}, 1, true},
                     std::string(mode) == "constant");
  expect_contained({"Pad", {}, {x, int_tensor({2, 1}), Tensor(), int_tensor({-1})}, 1, true}, true);
  expect_contained({"Gather", {{"axis", int64_t{1}}}, {x, int_tensor({2, 0})}});
  expect_contained({"Gather", {{"axis", int64_t{2}}}, {x, at::tensor(int64_t{3})}});
  expect_contained({"Expand", {}, {noise({2, 1, 4}), int_tensor({3, 2, 5, 4})}, 1, true}, true);
  expect_contained({"Tile", {}, {noise({2, 1, 4}), int_tensor({1, 3, 2})}, 1, true});
  expect_contained({"Squeeze", {}, {noise({2, 1, 4, 1}), int_tensor({1})}, 1, true}, true);
  expect_contained({"Unsqueeze", {}, {noise({2, 4}), int_tensor({0, 2})}, 1, true}, true);
  for (const char* mode : {"DCR", "CRD"})
    expect_contained({"DepthToSpace", {{"blocksize", int64_t{2}}, {"mode", std::string(mode)}}, {noise({2, 8, 3, 4})}});
  expect_contained({"SpaceToDepth", {{"blocksize", int64_t{2}}}, {noise({2, 3, 4, 6})}});
  expect_contained({"Cast", {{"to", int64_t{1}}}, {noise({2, 3})}}, true);
}

TEST(Locality, OfReshapes) {
  for (const auto& [from, to] : std::vector<std::pair<Ints, Ints>>{{{2, 3, 4, 6}, {2, 3, 24}},
                                                                   {{2, 3, 24}, {2, 3, 4, 6}},
                                                                   {{2, 6, 8, 3}, {2, 3, 2, 4, 2, 3}},
                                                                   {{2, 3, 2, 4, 2, 3}, {2, 6, 8, 3}},
                                                                   {{2, 1, 4, 6}, {2, 4, 6, 1}},
                                                                   {{6, 4}, {4, 6}},
                                                                   {{2, 3, 4}, {24}},
                                                                   {{1, 1, 5}, {5}},
                                                                   {{4, 6}, {2, 2, 3, 2}}})
    expect_contained({"Reshape", {}, {noise(from), int_tensor(to)}, 1, true});
  for (const int64_t axis : {0, 1, 2, 3}) expect_contained({"Flatten", {{"axis", axis}}, {noise({2, 3, 4})}});
  // Rows of a plane that becomes tokens stay followed.
  const OperatorCase tokens{"Reshape", {}, {noise({2, 3, 4, 6}), int_tensor({2, 3, 24})}, 1, true};
  EXPECT_THAT(
      tokens.make()->locality(0, 0, tokens.inputs, {2, 3, 24}).touched({{0, 1}, {1, 2}, {1, 2}, {0, 6}}, {2, 3, 24}),
      ElementsAre(Interval{0, 1}, Interval{1, 2}, Interval{6, 12}));
}

TEST(Locality, OfEveryResize) {
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* coordinates :
         {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners"})
      for (const auto& scales : std::vector<Floats>{{2, 2}, {3, 0.5}, {1.5, 0.25}, {0.75, 1}, {1.0 / 3, 2.4}})
        for (const int64_t antialias : {0, 1})
          for (const char* nearest : {"floor", "ceil", "round_prefer_floor", "round_prefer_ceil"}) {
            if (std::string(mode) != "nearest" && std::string(nearest) != "floor") continue;
            NamedAttributes attributes{{"mode", std::string(mode)},
                                       {"coordinate_transformation_mode", std::string(coordinates)},
                                       {"nearest_mode", std::string(nearest)},
                                       {"antialias", antialias},
                                       {"axes", Ints{2, 3}}};
            expect_contained({"Resize", attributes, {noise({1, 2, 12, 12}), Tensor(), at::tensor(scales)}, 1, true});
          }
  expect_contained({"Resize",
                    {{"mode", std::string("linear")}, {"axes", Ints{2, 3}}},
                    {noise({1, 2, 7, 9}), Tensor(), Tensor(), int_tensor({14, 27})},
                    1,
                    true});
  // An enlargement stays local.
  const OperatorCase doubled{"Resize",
                             {{"mode", std::string("linear")}},
                             {noise({1, 2, 7, 9}), Tensor(), at::tensor({1.0, 1.0, 2.0, 2.0})},
                             1,
                             true};
  const Box touched = doubled.make()
                          ->locality(0, 0, doubled.inputs, {1, 2, 14, 18})
                          .touched({{0, 1}, {0, 1}, {3, 4}, {4, 5}}, {1, 2, 14, 18});
  EXPECT_GE(touched[2].begin, 4);
  EXPECT_LE(touched[2].end, 10);
}

}  // namespace
}  // namespace vitrail
