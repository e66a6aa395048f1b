#include <vitrail/controls.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/replication_pad2d.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <bit>
#include <functional>

#include "attribution/explain_image.h"
#include "attribution/maps.h"
#include "attribution/method_impl.h"
#include "attribution/method_kind.h"
#include "attribution/random.h"

namespace vitrail {

namespace {

/// A number that the values of an input decide (FNV-1a).
uint64_t hash_of(const Tensor& input) {
  const Tensor values = input.to(at::kFloat).contiguous();
  uint64_t hash = 0xcbf29ce484222325;
  for (int64_t i = 0; i < values.numel(); ++i)
    hash = (hash ^ std::bit_cast<uint32_t>(values.const_data_ptr<float>()[i])) * 0x100000001b3;
  return hash;
}

Tensor uniform(int64_t height, int64_t width, const Random& random) {
  Tensor values = at::empty({height, width}, at::kFloat);
  for (int64_t i = 0; i < values.numel(); ++i)
    values.mutable_data_ptr<float>()[i] = static_cast<float>(random.uniform_at(static_cast<uint64_t>(i)));
  return values;
}

/// The same map for every target; zero where the run is stopped before it begins.
void set_maps(MethodRun& run, const std::function<Tensor()>& map, const Tensor& cells = {}) {
  const bool stopped = run.next_chunk(1) == 0;
  const Tensor values = stopped ? at::zeros({run.height(), run.width()}) : map();
  for (Explanation& result : run.results()) {
    result.map = values;
    if (!stopped) result.cells = cells;
  }
}

void draw_random(MethodRun& run, const RandomMapOptions& options) {
  const Random random(options.seed, RandomStream::control, hash_of(run.input()));
  if (options.grid == 0) return set_maps(run, [&] { return uniform(run.height(), run.width(), random); });
  const Tensor cells = uniform(options.grid, options.grid, random);
  set_maps(run, [&] { return upsample(cells, run.height(), run.width(), Interpolation::bilinear); }, cells);
}

/// Sobel's filters on the mean channel [H,W], the border repeated.
Tensor slope(const Tensor& input) {
  const Tensor grey = at::replication_pad2d(input.to(at::kFloat).mean(0).unsqueeze(0), {1, 1, 1, 1}).unsqueeze(0);
  const Tensor across = at::tensor({-1.0f, 0.0f, 1.0f, -2.0f, 0.0f, 2.0f, -1.0f, 0.0f, 1.0f}).view({1, 1, 3, 3});
  const Tensor x = at::conv2d(grey, across), y = at::conv2d(grey, across.transpose(2, 3));
  return (x * x + y * y).sqrt()[0][0];
}

Tensor blob(int64_t height, int64_t width, double sigma) {
  const double scale = sigma * static_cast<double>(std::min(height, width));
  const auto bell = [&](int64_t size) {
    const Tensor from_middle = (at::arange(size, at::kDouble) - static_cast<double>(size - 1) / 2) / scale;
    return (from_middle * from_middle / -2).exp();
  };
  return (bell(height).unsqueeze(1) * bell(width)).to(at::kFloat);
}

const MethodKind kControl = {.family = "control", .access = Access::scorer, .unit = "none", .is_signed = false};

template <class Options>
Method::Cost cost(const Options&, int64_t, int64_t, int64_t) {
  return {};
}

const MethodDefinition<RandomMapOptions, Scorer>& random_definition() {
  using Options = RandomMapOptions;
  static const MethodDefinition<Options, Scorer> definition(
      describe(kControl, {.name = "random",
                          .summary = "Control: random numbers, whatever the network.",
                          .formula = "u_ij ~ U(0,1)",
                          .cost = "none",
                          .guarantees = "A function of the seed and of the photo.",
                          .source = "Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018"}),
      OptionTable<Options>(
          {option("grid", &Options::grid, "cells along a side; 0: every pixel its own number", between(0, 4096)),
           option("seed", &Options::seed, "of the random numbers")}),
      random_map, cost);
  return definition;
}

const MethodDefinition<EdgesOptions, Scorer>& edges_definition() {
  static const MethodDefinition<EdgesOptions, Scorer> definition(
      describe(kControl, {.name = "edges",
                          .summary = "Control: the edges of the photo, whatever the network.",
                          .formula = "sqrt(sx^2 + sy^2), s = Sobel filters on the mean channel",
                          .cost = "none",
                          .guarantees = "Deterministic.",
                          .source = "Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018"}),
      OptionTable<EdgesOptions>({}), edges, cost);
  return definition;
}

const MethodDefinition<CentreOptions, Scorer>& centre_definition() {
  using Options = CentreOptions;
  static const MethodDefinition<Options, Scorer> definition(
      describe(kControl, {.name = "centre",
                          .summary = "Control: a blob in the middle, whatever the network and the photo.",
                          .formula = "exp(-r^2 / (2 sigma^2)), r = distance from the middle",
                          .cost = "none",
                          .guarantees = "Deterministic.",
                          .source = "The centre bias of photographs"}),
      OptionTable<Options>(
          {option("sigma", &Options::sigma, "of the blob, as a share of the shorter side", between(0.01, 10))}),
      centre, cost);
  return definition;
}

}  // namespace

const MethodEntry& random_method() { return random_definition(); }
const MethodEntry& edges_method() { return edges_definition(); }
const MethodEntry& centre_method() { return centre_definition(); }

std::vector<Explanation> random_map(const Scorer& scorer, const Tensor& inputs, const RandomMapOptions& options,
                                    const Execution& execution) {
  return random_definition().run(scorer, inputs, options, execution,
                                 [&](MethodRun& run) { draw_random(run, options); });
}

std::vector<Explanation> edges(const Scorer& scorer, const Tensor& inputs, const EdgesOptions& options,
                               const Execution& execution) {
  return edges_definition().run(scorer, inputs, options, execution,
                                [&](MethodRun& run) { set_maps(run, [&] { return slope(run.input()); }); });
}

std::vector<Explanation> centre(const Scorer& scorer, const Tensor& inputs, const CentreOptions& options,
                                const Execution& execution) {
  return centre_definition().run(scorer, inputs, options, execution, [&](MethodRun& run) {
    set_maps(run, [&] { return blob(run.height(), run.width(), options.sigma); });
  });
}

std::vector<Explanation> random_map(const Model& model, const Image& image, const std::string& target,
                                    const RandomMapOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return random_map(probe, input, options); });
}

std::vector<Explanation> edges(const Model& model, const Image& image, const std::string& target,
                               const EdgesOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return edges(probe, input, options); });
}

std::vector<Explanation> centre(const Model& model, const Image& image, const std::string& target,
                                const CentreOptions& options) {
  return explain_image(model, image, target,
                       [&](const Probe& probe, const Tensor& input) { return centre(probe, input, options); });
}

}  // namespace vitrail
