#include <vitrail/error.h>

#include <limits>

#include "ops/operator_case.h"

namespace vitrail {
namespace {

Tensor apply(const std::string& op, Tensors inputs, NamedAttributes attributes = {}) {
  return OperatorCase{op, std::move(attributes), std::move(inputs)}.run()[0];
}

Tensor number(double value) { return at::tensor(value, at::kDouble); }
Tensor row(const std::vector<double>& values) { return float_tensor(values, {static_cast<int64_t>(values.size())}); }

TEST(Relus, ScaleWhatIsNegative) {
  const Tensor x = row({-2, 0, 3});
  expect_values(apply("Relu", {x}), {0, 0, 3}, {3});
  expect_values(apply("LeakyRelu", {x}), {-0.02, 0, 3}, {3});
  expect_values(apply("LeakyRelu", {x}, {{"alpha", 0.5}}), {-1, 0, 3}, {3});
  // One slope a channel.
  expect_values(apply("PRelu", {float_tensor({-1, 2, -3, -4}, {1, 2, 2}), float_tensor({0.5, 2}, {2, 1})}),
                {-0.5, 2, -6, -8}, {1, 2, 2});
}

TEST(Clip, AnAbsentLimitDoesNotLimit) {
  const Tensor x = row({-9, 1, 9}), low = number(-2), high = number(4);
  expect_values(apply("Clip", {x, low, high}), {-2, 1, 4}, {3});
  expect_values(apply("Clip", {x, low}), {-2, 1, 9}, {3});
  expect_values(apply("Clip", {x, {}, high}), {-9, 1, 4}, {3});
  expect_values(apply("Clip", {x}), {-9, 1, 9}, {3});
  expect_values(OperatorCase{"Clip", {}, {x, low, high}, 1, /*constants=*/true}.run()[0], {-2, 1, 4}, {3});
}

TEST(Clip, TakesTheUpperLimitWhereTheyCross) {
  expect_values(apply("Clip", {row({-9, 1, 9}), number(4), number(-2)}), {-2, -2, -2}, {3});
}

TEST(Clip, OfIntegersIsExactUpToTheEndsOfTheirRange) {
  // 2^63 - 1 is no double: rounded up it would wrap to the smallest integer.
  const int64_t most = std::numeric_limits<int64_t>::max(), least = std::numeric_limits<int64_t>::min();
  for (bool constants : {false, true}) {
    const auto clip = [&](int64_t x, int64_t low, int64_t high) {
      const OperatorCase given{"Clip", {}, {int_tensor({x}), int_tensor({low}), int_tensor({high})}, 1, constants};
      return given.run()[0].item<int64_t>();
    };
    EXPECT_EQ(clip(7, 0, most), 7);
    EXPECT_EQ(clip(-7, 0, most), 0);
    EXPECT_EQ(clip(most, least, most - 1), most - 1);
    EXPECT_EQ(clip(most, least, (int64_t{1} << 53) + 1), (int64_t{1} << 53) + 1);
  }
}

TEST(Clip, RefusesALimitThatIsNotOneNumber) {
  for (bool constants : {false, true})
    for (const Tensor& limit : {row({}), row({1, 2})})
      EXPECT_THROW((OperatorCase{"Clip", {}, {row({1}), limit}, 1, constants}.run()), ModelError);
}

TEST(Clip, SaysWhatItIs) {
  const auto described = [](Tensors limits) {
    limits.insert(limits.begin(), row({1}));
    return OperatorCase{"Clip", {}, limits, 1, true}.make()->describe();
  };
  EXPECT_EQ(described({number(0), number(6)}), "min=0 max=6 (ReLU6)");
  EXPECT_EQ(described({number(-1)}), "min=-1");
  EXPECT_EQ(described({{}, number(0.5)}), "max=0.5");
}

TEST(HardActivations, AreLinearBetweenTheirLimits) {
  expect_values(apply("HardSigmoid", {row({-3, -2.5, 0, 1, 3})}), {0, 0, 0.5, 0.7, 1}, {5});
  expect_values(apply("HardSigmoid", {row({-1, 0, 1})}, {{"alpha", 0.5}, {"beta", 0.25}}), {0, 0.25, 0.75}, {3});
  expect_values(apply("HardSwish", {row({-4, -3, 0, 1, 3, 4})}), {0, 0, 0, 2.0 / 3, 3, 4}, {6});
}

TEST(Gelu, WeighsByTheNormalDistribution) {
  const std::vector<double> points{-2, -0.5, 0, 0.5, 2};
  std::vector<double> exact, approximate;
  for (double x : points) {
    exact.push_back(x * 0.5 * (1 + std::erf(x / std::sqrt(2.0))));
    approximate.push_back(x * 0.5 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))));
  }
  expect_values(apply("Gelu", {row(points)}), exact, {5});
  expect_values(apply("Gelu", {row(points)}, {{"approximate", std::string("tanh")}}), approximate, {5});
  EXPECT_THROW(apply("Gelu", {row(points)}, {{"approximate", std::string("sigmoid")}}), ModelError);
}

TEST(Swish, WeighsByTheSigmoid) {
  for (double alpha : {1.0, 1.7}) {
    std::vector<double> expected;
    for (double x : {-2.0, 0.0, 3.0}) expected.push_back(x / (1 + std::exp(-alpha * x)));
    expect_values(apply("Swish", {row({-2, 0, 3})}, {{"alpha", alpha}}), expected, {3});
  }
}

TEST(Elu, IsExponentialBelowZero) {
  const Tensor x = row({-2, 0, 3});
  const double below = std::expm1(-2.0);
  expect_values(apply("Elu", {x}), {below, 0, 3}, {3});
  expect_values(apply("Elu", {x}, {{"alpha", 0.5}}), {0.5 * below, 0, 3}, {3});
  expect_values(apply("Selu", {x}), {1.0507010 * 1.6732632 * below, 0, 1.0507010 * 3}, {3});
  expect_values(apply("Selu", {x}, {{"alpha", 2.0}, {"gamma", 3.0}}), {6 * below, 0, 9}, {3});
  expect_values(apply("Celu", {x}, {{"alpha", 2.0}}), {2 * std::expm1(-1.0), 0, 3}, {3});
  EXPECT_THROW(apply("Celu", {x}, {{"alpha", 0.0}}), ModelError);
}

TEST(Thresholds, CutOutTheMiddleOrAllBelow) {
  expect_values(apply("ThresholdedRelu", {row({-2, 1, 1.5})}), {0, 0, 1.5}, {3});
  expect_values(apply("ThresholdedRelu", {row({-2, 1, 1.5})}, {{"alpha", -3.0}}), {-2, 1, 1.5}, {3});
  expect_values(apply("Shrink", {row({-2, -0.5, 0.5, 2})}), {-2, 0, 0, 2}, {4});
  expect_values(apply("Shrink", {row({-2, 0, 2})}, {{"lambd", 1.5}, {"bias", 1.5}}), {-0.5, 0, 0.5}, {3});
}

TEST(Dropout, DropsNothing) {
  const Tensor x = row({1, -2}), half = number(0.5);
  const Tensors out = OperatorCase{"Dropout", {}, {x, half}, 2}.run();
  expect_values(out[0], {1, -2}, {2});
  EXPECT_EQ(out[1].scalar_type(), at::kBool);
  expect_values(out[1], {1, 1}, {2});
  const auto training = [&](bool on) {
    return OperatorCase{"Dropout", {}, {x, half, int_tensor({on}).to(at::kBool)}, 1, true};
  };
  expect_values(training(false).run()[0], {1, -2}, {2});
  EXPECT_THROW(training(true).make(), ModelError);
}

TEST(Activations, HaveTheRightDerivatives) {
  const Tensor x = noise({2, 3, 4}) * 3;
  for (const std::string op :
       {"Relu", "LeakyRelu", "HardSigmoid", "HardSwish", "Gelu", "Swish", "Dropout", "Elu", "Selu", "ThresholdedRelu"})
    expect_derivatives({op, {}, {x}});
  expect_derivatives({"PRelu", {}, {x, noise({3, 1})}});
  expect_derivatives({"Gelu", {{"approximate", std::string("tanh")}}, {x}});
  expect_derivatives({"Swish", {{"alpha", 1.7}}, {x}});
  expect_derivatives({"Celu", {{"alpha", 0.7}}, {x}});
  expect_derivatives({"Shrink", {{"bias", 0.3}, {"lambd", 1.0}}, {x}});
  expect_derivatives({"Clip", {}, {x, number(-1), number(2)}, 1, true});
  expect_derivatives({"Clip", {}, {x, {}, number(2)}, 1, true});
  expect_derivatives({"Clip", {}, {x}});
}

// Backward rules: x and the gradient that arrives, worked by hand. Guided lets positive gradients pass where the
// operator is active, deconv lets them pass everywhere; both keep the operator's values.

struct Passed {
  Tensor value, gradient;
};

Passed backward(const OperatorCase& given, const std::vector<double>& arriving, BackwardRule rule) {
  Tensors in = given.inputs;
  in[0] = in[0].detach().clone().requires_grad_();
  RunContext context;
  context.backward_rule = rule;
  const Tensor y = given.make()->forward(in, context)[0];
  return {y, torch::autograd::grad({y}, {in[0]}, {row(arriving)})[0]};
}

struct RuleCase {
  OperatorCase given;
  std::vector<double> arriving, plain, guided, deconv;
};

std::vector<RuleCase> rule_cases() {
  const Tensor x = row({-1, 2, -3, 4});
  const std::vector<double> g{5, 6, -7, -8}, guided{0, 6, 0, 0}, deconv{5, 6, 0, 0};
  const Tensor around = row({-1, 2, 7, 3, 0, 6});  // the limits themselves are not active
  const std::vector<double> h{5, 6, 7, -8, 9, 10};
  return {
      {{"Relu", {}, {x}}, g, {0, 6, 0, -8}, guided, deconv},
      {{"LeakyRelu", {{"alpha", 0.5}}, {x}}, g, {2.5, 6, -3.5, -8}, guided, deconv},
      {{"PRelu", {}, {x, row({0.5})}}, g, {2.5, 6, -3.5, -8}, guided, deconv},
      {{"Clip", {}, {around, number(0), number(6)}}, h, {0, 6, 0, -8, 9, 10}, {0, 6, 0, 0, 0, 0}, {5, 6, 7, 0, 9, 10}},
      {{"Clip", {}, {around, number(0)}}, h, {0, 6, 7, -8, 9, 10}, {0, 6, 7, 0, 0, 10}, {5, 6, 7, 0, 9, 10}},
  };
}

TEST(BackwardRules, LetPassWhatTheySay) {
  for (const RuleCase& row : rule_cases()) {
    SCOPED_TRACE(row.given.op);
    const Ints shape{static_cast<int64_t>(row.arriving.size())};
    expect_values(backward(row.given, row.arriving, BackwardRule::plain).gradient, row.plain, shape);
    expect_values(backward(row.given, row.arriving, BackwardRule::guided).gradient, row.guided, shape);
    expect_values(backward(row.given, row.arriving, BackwardRule::deconv).gradient, row.deconv, shape);
  }
}

TEST(BackwardRules, KeepTheValues) {
  for (const RuleCase& row : rule_cases()) {
    SCOPED_TRACE(row.given.op);
    const Tensor plain = row.given.run()[0];
    for (BackwardRule rule : {BackwardRule::guided, BackwardRule::deconv})
      EXPECT_EQ(distance(backward(row.given, row.arriving, rule).value, plain), 0);
  }
}

TEST(BackwardRules, LeaveOtherActivationsAlone) {
  const std::vector<double> arriving{5, 6, -7, -8};
  for (const std::string op : {"Gelu", "HardSigmoid", "HardSwish", "Sigmoid", "Swish", "Tanh"}) {
    SCOPED_TRACE(op);
    const OperatorCase given{op, {}, {row({-1, 2, -0.5, 1})}};
    const Tensor plain = backward(given, arriving, BackwardRule::plain).gradient;
    for (BackwardRule rule : {BackwardRule::guided, BackwardRule::deconv})
      EXPECT_EQ(distance(backward(given, arriving, rule).gradient, plain), 0);
  }
}

}  // namespace
}  // namespace vitrail
