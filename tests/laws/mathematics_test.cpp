// What an explanation must say of a function, whatever the method: completeness, dummy, symmetry, linearity,
// invariance under rewriting, equivariance, and that an Identity is no layer of its own.

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

#include "laws/laws.h"

namespace vitrail::laws {
namespace {

class Mathematics : public Law {};
INSTANTIATE_TEST_SUITE_P(Methods, Mathematics, ::testing::ValuesIn(names()), test_name);

/// Replicates enough for a standard error without wide tails.
const Settings steady = {{"replicates", "12"}};

Tensor error_of(const Explanation& result) { return result.standard_error; }

TEST_P(Mathematics, Completeness) {
  VITRAIL_LAW("completeness");
  const Model& model = subject(name());
  for (const Explanation& result : run({{"noise", "0"}})) {  // of random baselines: on the baseline itself
    ASSERT_TRUE(result.completeness_gap.has_value()) << "the result says nothing of completeness";
    const double sum = result.map.to(at::kDouble).sum().item<double>();
    const double cells = result.cells.defined() ? result.cells.to(at::kDouble).sum().item<double>() : sum;
    const double scale = std::abs(result.score) + 1;
    // The gap is of the map's sum, or of the native values' where these are enlarged.
    const Tensor zero = at::zeros_like(photo());
    const double rise = result.score - model.logits(zero)[0][result.target.index].item<double>();
    const double gap = *result.completeness_gap;
    const double off = std::min(std::abs(sum - rise - gap), std::abs(cells - rise - gap));
    if (exemption("completeness from zero", name()).empty()) {
      EXPECT_LT(off, 1e-4 * scale) << "sum " << sum << ", cells " << cells << ", rise " << rise << ", gap " << gap;
    }
    if (exemption("small gap", name()).empty()) {
      EXPECT_LE(std::abs(gap), 0.1 * std::abs(rise) + 1e-4 * scale);
    }
  }
}

TEST_P(Mathematics, WhatIsNotReadGetsNothing) {
  VITRAIL_LAW("dummy");
  if (reads_attention(name())) {
    note_exemption("dummy", name(), "attention says where a token looks, not whether what it finds matters");
    GTEST_SKIP();
  }
  const Explanation result = explain(method(), cnn({.half_unused = true}), photo())[0];
  const bool by_cells = result.cells.defined();
  const Tensor& values = by_cells ? result.cells : result.map;
  const int64_t half = values.size(1) / 2;
  const double used = values.narrow(1, 0, half).abs().max().item<double>();
  EXPECT_GT(used, 0);
  const double unused = values.narrow(1, values.size(1) - half, half).abs().max().item<double>();
  if (exemption("exact dummy", name()).empty()) {
    EXPECT_LE(unused, 1e-6 * used);
  } else {
    const Tensor z = (result.map / result.standard_error).narrow(1, side - 3, 3);
    EXPECT_LE(z.abs().max().item<double>(), 6) << "standard errors";
  }
}

// The net and the photo are their own mirror images: so is the map.
TEST_P(Mathematics, ExchangeablePartsGetTheSame) {
  VITRAIL_LAW("symmetry");
  if (reads_attention(name())) {
    note_exemption("symmetry", name(), "the transformer's position embeddings make no two tokens exchangeable");
    GTEST_SKIP();
  }
  const Tensor x = photo(), symmetric = (x + x.flip(3)) / 2;
  const Explanation result = explain(method(steady), cnn({.symmetric = true}), symmetric)[0];
  const Tensor error = result.standard_error.defined() ? result.standard_error.flip(1) : Tensor();
  expect_equal_maps(result, result, result.map.flip(1), error, 1e-4);
}

TEST_P(Mathematics, AMirroredNetExplainsAMirroredPhoto) {
  VITRAIL_LAW("equivariance");
  if (reads_attention(name())) {
    note_exemption("equivariance", name(), "stated on the convolutional net");
    GTEST_SKIP();
  }
  const Explanation straight = explain(method(steady), cnn(), photo())[0],
                    mirrored = explain(method(steady), cnn({.mirrored = true}), photo().flip(3))[0];
  const Tensor error = mirrored.standard_error.defined() ? mirrored.standard_error.flip(1) : Tensor();
  expect_equal_maps(straight, mirrored, mirrored.map.flip(1), error, 1e-4);
}

// A patch on a plain ground, two pixels (a cell) further right: its values move with it. It is small enough that what
// it touches, five pixels wide behind two convolutions, stays clear of the border.
TEST_P(Mathematics, AShiftedPatchHasAShiftedMap) {
  VITRAIL_LAW("shift");
  if (reads_attention(name())) GTEST_SKIP() << "stated on the convolutional net";
  Tensor here = at::zeros_like(photo()), there = here.clone();
  const Tensor patch = photo().narrow(2, 4, 2).narrow(3, 4, 2) * 3;
  here.narrow(2, 4, 2).narrow(3, 4, 2).copy_(patch);
  there.narrow(2, 4, 2).narrow(3, 6, 2).copy_(patch);
  Settings settings = steady;
  settings.insert({{"grid", "6"}, {"patch", "2"}, {"stride", "2"}});
  const Explanation first = explain(method(settings), cnn(), here)[0],
                    second = explain(method(settings), cnn(), there)[0];
  ASSERT_NEAR(first.score, second.score, 1e-5);
  const auto at_patch = [](const Tensor& map, int64_t column) { return map.narrow(0, 4, 2).narrow(1, column, 2); };
  const bool by_cells = first.cells.defined() && first.cells.sizes() == std::vector<int64_t>{6, 6};
  const Tensor a = by_cells ? first.cells.select(1, 2) : at_patch(first.map, 4),
               b = by_cells ? second.cells.select(1, 3) : at_patch(second.map, 6);
  const double range = (first.map.max() - first.map.min()).item<double>();
  ASSERT_GT(range, 0);
  const Tensor off = (a - b).abs();
  if (off.max().item<double>() <= 1e-4 * range) return;
  ASSERT_TRUE(first.standard_error.defined()) << "off by " << off.max().item<double>() / range << " of the range";
  const Tensor error =
      (at_patch(first.standard_error, 4).square() + at_patch(second.standard_error, 6).square()).sqrt();
  EXPECT_LE((at_patch(first.map, 4) - at_patch(second.map, 6)).abs().div(error + 1e-5 * range).max().item<double>(), 8)
      << "standard errors";
}

TEST_P(Mathematics, TheOrderOfChannelsDoesNotMatter) {
  VITRAIL_LAW("channel order");
  if (reads_attention(name())) GTEST_SKIP() << "stated on the convolutional net";
  const Explanation straight = explain(method(steady), cnn(), photo())[0],
                    swapped = explain(method(steady), cnn({.channels_swapped = true}), photo().flip(1))[0];
  expect_equal_maps(straight, swapped, swapped.map, error_of(swapped), 1e-4);
}

// Logit 2 is 2 (logit 0) - 3 (logit 1).
TEST_P(Mathematics, Linearity) {
  VITRAIL_LAW("linearity");
  // Without what follows the target: rectifiers, shrinkage, and more nodes where the gap is large.
  Settings plain = {{"relu", "false"}, {"ridge", has_option(name(), "width") ? "0" : "false"}, {"max_steps", "8"}};
  if (name() == "rise") plain["readout"] = "mean";  // least squares takes its ridge from each target's own scores
  const auto results = explain(method(plain), subject(name()), photo(), {0, 1, 2});
  const Tensor combined = results[0].map * 2 - results[1].map * 3;
  EXPECT_LE(difference(results[2].map, combined), 2e-4);
}

TEST_P(Mathematics, TheWayAFunctionIsWrittenDoesNotMatter) {
  VITRAIL_LAW("invariance");
  // Of an adaptive rule the same nodes; from a baseline whose units are not at the kinks of their ReLUs, as zero's are.
  const std::string method = this->method({{"max_steps", "8"}, {"baseline", "100"}});
  const Explanation usual = explain(method, subject(name()), photo())[0];
  const auto expect_same = [&](const Model& model, const char* what) {
    SCOPED_TRACE(what);
    const Explanation other = explain(method, model, photo())[0];
    EXPECT_NEAR(other.score, usual.score, 1e-4 * (1 + std::abs(usual.score)));
    EXPECT_LE(difference(usual.map, other.map), 1e-3);
  };
  if (reads_attention(name())) {
    expect_same(vit(true), "LayerNorm and GELU spelled out");
    return;
  }
  expect_same(cnn({.folded_norm = true}), "BatchNormalization folded");
  expect_same(cnn({.split_conv = true}), "a convolution in two parts");
  expect_same(cnn({.relu_as_max = true}), "ReLU as a maximum");
  if (!exemption("invariance on the transformer", name()).empty()) return;
  const Explanation transformer = explain(method, vit(), photo())[0], spelled = explain(method, vit(true), photo())[0];
  EXPECT_LE(difference(transformer.map, spelled.map), 1e-3) << "LayerNorm and GELU spelled out";
}

TEST_P(Mathematics, AnIdentityBehindTheInputChangesNothing) {
  if (reads_attention(name())) GTEST_SKIP() << "stated on the convolutional net";
  const Model through = cnn({.identity_first = true});
  const Explanation usual = explain(method(), cnn(), photo())[0], other = explain(method(), through, photo())[0];
  EXPECT_LE(difference(usual.map, other.map), 1e-5);
  // Explaining the Identity's value is explaining the input, for methods that explain any layer's value.
  if (!has_option(name(), "layer") || info().access == Access::layer || info().family == "relevance") {
    note_exemption("layer = input", name(), "has no option to explain another value than its own");
    return;
  }
  const Explanation layer = explain(method({{"layer", "id"}}), through, photo())[0];
  EXPECT_LE(difference(usual.map, layer.map), 1e-5);
}

}  // namespace
}  // namespace vitrail::laws
