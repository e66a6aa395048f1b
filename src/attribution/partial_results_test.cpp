#include <vitrail/partial_results.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <vitrail/error.h>

#include <atomic>

#include "attribution/nets_for_tests.h"

namespace vitrail {
namespace {

/// A net, and how many images it was asked about.
class Counting : public PooledNet {
 public:
  using PooledNet::PooledNet;
  Tensor score(const Tensor& x) const override {
    asked += x.size(0);
    return PooledNet::score(x);
  }
  mutable int64_t asked = 0;
};

std::vector<std::vector<Explanation>> looks(const std::string& method, const std::shared_ptr<const Scorer>& scorer,
                                            const Tensor& inputs, const Execution& execution = {}) {
  PartialResults results(parse_method(method), scorer, inputs, 16);
  std::vector<std::vector<Explanation>> all;
  while (auto next = results.next(execution)) all.push_back(*next);
  return all;
}

const Tensor photo = wave(3, 8, 8, 0.37).unsqueeze(0);

TEST(PartialResults, ComeIntoFocusAndEndWithTheWholeResult) {
  for (const std::string method :
       {"rise:masks=200", "sobol:designs=4,grid=4", "kernel_shap", "smoothgrad:samples=50"}) {
    const auto net = std::make_shared<Counting>(std::vector<int64_t>{0, 2});
    const auto all = looks(method, net, photo);
    ASSERT_GT(all.size(), 2U) << method;
    const auto whole = parse_method(method)->explain(*net, photo, {});
    for (size_t t = 0; t < whole.size(); ++t) {
      EXPECT_TRUE(at::equal(all.back()[t].map, whole[t].map)) << method;
      EXPECT_FALSE(all.back()[t].partial) << method;
      EXPECT_TRUE(all.front()[t].partial) << method;
    }
    Execution first;
    first.budget.forwards = 16;
    const auto stopped = parse_method(method)->explain(*net, photo, first);
    EXPECT_TRUE(at::equal(all.front()[0].map, stopped[0].map)) << method;
  }
}

TEST(PartialResults, ScoreNoImageOfABlackBoxTwice) {
  const auto net = std::make_shared<Counting>(std::vector<int64_t>{1});
  looks("rise:masks=256", net, photo);
  const int64_t with_looks = net->asked;
  net->asked = 0;
  parse_method("rise:masks=256")->explain(*net, photo, {});
  EXPECT_EQ(with_looks, net->asked);
}

TEST(PartialResults, OfALayerBeginAgain) {
  const auto net = std::make_shared<Counting>(std::vector<int64_t>{1});
  const auto all = looks("occlusion:patch=1,stride=1,layer=relu", net, photo);
  const auto whole = parse_method("occlusion:patch=1,stride=1,layer=relu")->explain(*net, photo, {});
  EXPECT_TRUE(at::equal(all.back()[0].map, whole[0].map));
}

TEST(PartialResults, EndAtTheBudgetAndWhenCancelled) {
  const auto net = std::make_shared<Counting>(std::vector<int64_t>{1});
  Execution execution;
  execution.budget.forwards = 100;
  const auto all = looks("rise:masks=4000", net, photo, execution);
  EXPECT_EQ(all.back()[0].forwards, 100);
  EXPECT_EQ(all.size(), 4U);  // 16, 32, 64, 100
  std::atomic<bool> cancelled = true;
  execution.cancelled = &cancelled;
  EXPECT_EQ(looks("rise:masks=4000", net, photo, execution).size(), 1U);
  EXPECT_THROW(PartialResults(parse_method("rise"), net, photo, 0), UsageError);
}

}  // namespace
}  // namespace vitrail
