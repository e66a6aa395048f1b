#include <vitrail/scorecam.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <span>

#include "attribution/cam/block_sums.h"
#include "attribution/cam/cam_view.h"
#include "attribution/method_kind.h"
#include "attribution/perturbation/fill.h"
#include "attribution/perturbation/masks.h"
#include "attribution/perturbation/shared_options.h"
#include "attribution/random.h"

namespace vitrail {

namespace {

/// Masks of one pass, from the channels' own masks [n,1,H,W]. `channels` [n] numbers them.
using Variation = std::function<Tensor(const Tensor& masks, int64_t pass, std::span<const int64_t> channels)>;

/// What the three methods differ in.
struct Passes {
  int64_t count = 1;
  Variation vary;       ///< empty: the masks themselves
  bool random = false;  ///< passes are samples of a random number: they have a standard error
};

/// The channels to score, and for each target which of them are its own.
struct ChannelChoice {
  std::vector<int64_t> channels;
  Tensor own;  ///< bool [channels, T]
};

/// Channels with a pattern, of [K,h,w].
std::vector<int64_t> varying_channels(const Tensor& activation) {
  const Tensor rows = activation.flatten(1), low = rows.amin(1), high = rows.amax(1);
  std::vector<int64_t> channels;
  for (int64_t k = 0; k < rows.size(0); ++k)
    if (low[k].item<double>() < high[k].item<double>()) channels.push_back(k);
  return channels;
}

ChannelChoice choose_channels(CamView& view, int64_t most) {
  ChannelChoice choice{varying_channels(view.activation()), {}};
  const auto count = static_cast<int64_t>(choice.channels.size());
  const int64_t targets = view.run().targets();
  choice.own = at::ones({count, targets}, at::kBool);
  if (most == 0 || most >= count) return choice;
  const Tensor all = at::tensor(choice.channels, at::kLong);
  choice.own.zero_();
  const Tensors gradients = view.gradients();
  for (int64_t t = 0; t < targets; ++t) {
    const Tensor strength = gradients[static_cast<size_t>(t)].mean({1, 2}).index_select(0, all);
    const Tensor order = at::argsort(strength, /*stable=*/true, /*dim=*/0, /*descending=*/true);
    choice.own.select(1, t).index_fill_(0, order.narrow(0, 0, most), true);
  }
  const Tensor kept = choice.own.any(1).nonzero().flatten();
  choice.own = choice.own.index_select(0, kept);
  const std::vector<int64_t> before = choice.channels;
  choice.channels.clear();
  for (int64_t i = 0; i < kept.size(0); ++i)
    choice.channels.push_back(before[static_cast<size_t>(kept[i].item<int64_t>())]);
  return choice;
}

/// Channels [n,h,w] enlarged and scaled to [0,1]: [n,1,H,W].
Tensor channel_masks(const Tensor& channels, int64_t height, int64_t width) {
  const Tensor large = at::upsample_bilinear2d(channels.unsqueeze(1), {height, width}, /*align_corners=*/false);
  const Tensor low = large.amin({2, 3}, true), range = large.amax({2, 3}, true) - low;
  // A channel may vary less than rounding shows once it is enlarged.
  return at::where(range == 0, at::zeros({}, large.options()), (large - low) / range).clamp_(0, 1);
}

/// Sums of scores and how many they are, both [channels,T], after each chunk.
void score_passes(CamView& view, const ChannelChoice& choice, const Baseline& baseline, const Passes& passes,
                  BlockSums& sums) {
  MethodRun& run = view.run();
  const Tensor input = view.input()[0], activation = view.activation();
  const Tensor list = at::tensor(choice.channels, at::kLong);
  const auto count = static_cast<int64_t>(choice.channels.size());
  const Fill fill(baseline, input, view.probe());
  for (int64_t pass = 0; pass < passes.count && !run.stopped(); ++pass) {
    Tensor scores = at::zeros({count, run.targets()}, at::kDouble), counts = at::zeros_like(scores);
    int64_t done = 0;
    while (const int64_t n = run.next_chunk(count - done)) {
      const std::span<const int64_t> channels(choice.channels.data() + done, static_cast<size_t>(n));
      Tensor masks = channel_masks(activation.index_select(0, list.narrow(0, done, n)), run.height(), run.width());
      if (passes.vary) masks = passes.vary(masks, pass, channels);
      const Tensor found = run.score(apply_masks(input, fill.values(masks, channels), masks));
      const Tensor finite = found.isfinite();
      scores.narrow(0, done, n).copy_(found.masked_fill(finite.logical_not(), 0));
      counts.narrow(0, done, n).copy_(finite);
      done += n;
    }
    if (done > 0) sums.add(passes.random ? pass : 0, {scores, counts});
  }
}

/// The weights of the channels from their mean scores, of those `known`: zeros where all scores are the same, for then
/// they say nothing of the channels.
Tensor weights_of(const Tensor& scores, const Tensor& known) {
  const Tensor own = scores.masked_select(known);
  if (own.numel() == 0) return at::zeros_like(scores);
  const double range = (own.max() - own.min()).item<double>();
  if (own.numel() > 1 && range <= 1e-6 * own.abs().max().item<double>()) return at::zeros_like(scores);
  return at::softmax(at::where(known, scores, -std::numeric_limits<double>::infinity()), /*dim=*/0);
}

std::vector<CamEvidence> evidence_of_channels(CamView& view, int64_t most, const Baseline& baseline,
                                              const Passes& passes) {
  MethodRun& run = view.run();
  run.count(1, 0);  // the layer's value
  const ChannelChoice choice = choose_channels(view, most);
  if (choice.channels.empty()) {
    run.warn("Every channel of layer \"" + view.layer() + "\" is the same at all positions: there is nothing to show.");
    return view.for_all_targets(at::zeros_like(view.activation()[0]));
  }
  BlockSums sums;
  score_passes(view, choice, baseline, passes, sums);
  if (sums.empty()) return {};
  const Tensor activation = view.activation().index_select(0, at::tensor(choice.channels, at::kLong)).to(at::kDouble);
  std::vector<CamEvidence> evidence;
  for (int64_t t = 0; t < run.targets(); ++t) {
    run.results()[static_cast<size_t>(t)].plan["channels"] =
        std::to_string(choice.own.select(1, t).sum().item<int64_t>());
    evidence.push_back(sums.estimate([&](const Tensors& total) {
      const Tensor count = total[1].select(1, t), known = count.gt(0).logical_and(choice.own.select(1, t));
      const Tensor alpha = weights_of(total[0].select(1, t) / count, known);
      return view.evidence(alpha.view({-1, 1, 1}) * activation);
    }));
    if (evidence.back().cells.eq(0).all().item<bool>() && !run.stopped())
      run.results()[static_cast<size_t>(t)].warnings.push_back(
          "The score is the same through every channel of layer \"" + view.layer() + "\": channels have no weights.");
  }
  return evidence;
}

template <class Options>
Method::Cost cost_of_channels(const Options& options, int64_t channels, int64_t targets) {
  int64_t passes = 1;
  if constexpr (requires { options.samples; }) passes = options.samples;
  const bool some = options.channels > 0 && (channels == 0 || options.channels < channels);
  const int64_t scored = some ? options.channels * targets : channels;
  const int64_t known = channels == 0 ? scored : std::min(scored, channels);
  return {1 + known * passes + (some ? 1 : 0), some ? targets : 0};
}

template <class Options>
Method::Cost cost(const Options& options, int64_t, int64_t, int64_t targets) {
  return cost_of_views(options, cost_of_channels(options, 0, targets));
}

template <class Options>
Method::Cost cost_on(const Options& options, const Probe& probe, int64_t, int64_t) {
  const auto targets = static_cast<int64_t>(probe.targets().size());
  return cost_by_layers(options, probe,
                        [&](const LayerInfo& layer) { return cost_of_channels(options, layer.channels, targets); });
}

template <class Options>
std::vector<Option<Options>> channel_rows(std::vector<Option<Options>> own = {}) {
  std::vector<Option<Options>> rows{
      option("channels", &Options::channels, "only this many, strongest by gradient; 0: all", at_least(0)),
      option("baseline", &Options::baseline, baseline_words)};
  rows.insert(rows.end(), own.begin(), own.end());
  return cam_rows<Options>(rows);
}

MethodKind kind() { return {.family = "cam", .access = Access::layer, .unit = "activation", .scores_inputs = true}; }

const MethodDefinition<ScoreCamOptions, Probe>& definition() {
  static const MethodDefinition<ScoreCamOptions, Probe> definition(
      describe(kind(), {.name = "scorecam",
                        .summary = "Activations weighted by the score of the input seen through each channel.",
                        .formula = "sum_k alpha_k A_k, alpha = softmax_k g(x M_k + (1 - M_k) baseline), M_k = A_k "
                                   "enlarged and scaled to [0,1]",
                        .cost = "1 + channels of the layer, or of `channels` for each target",
                        .guarantees = "deterministic; valid when stopped early",
                        .source = "Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu: Score-CAM, CVPR workshops 2020; "
                                  "channels: Chen, Li, Zhou, Zhang, Nguyen: gScoreCAM, ACCV 2022"}),
      channel_rows<ScoreCamOptions>(), scorecam, cost<ScoreCamOptions>, cost_on<ScoreCamOptions>);
  return definition;
}

const MethodDefinition<SsCamOptions, Probe>& smooth_definition() {
  using Options = SsCamOptions;
  static const MethodDefinition<Options, Probe> definition(
      describe(kind(),
               {.name = "ss_cam",
                .summary = "Score-CAM with noisy masks.",
                .formula = "scorecam with the mean score over M_k + noise",
                .cost = "1 + channels x samples",
                .guarantees = "sampled, with a standard-error map; scorecam without noise; valid when stopped early",
                .source = "Wang, Naidu, Michael, Kundu: SS-CAM, 2020"}),
      channel_rows<Options>({
          option("samples", &Options::samples, "noisy masks of every channel", at_least(1)),
          option("noise", &Options::noise, "standard deviation; a mask is in [0,1]", at_least(0)),
          option("seed", &Options::seed, "of the noise"),
      }),
      ss_cam, cost<Options>, cost_on<Options>);
  return definition;
}

const MethodDefinition<IsCamOptions, Probe>& integrated_definition() {
  using Options = IsCamOptions;
  static const MethodDefinition<Options, Probe> definition(
      describe(kind(), {.name = "is_cam",
                        .summary = "Score-CAM averaged while the masked input fades in.",
                        .formula = "scorecam with the mean score over i/n M_k, i = 1 .. n",
                        .cost = "1 + channels x samples",
                        .guarantees = "deterministic; valid when stopped early",
                        .source = "Naidu, Ghosh, Maurya, Shamanth, Kundu: IS-CAM, 2020"}),
      channel_rows<Options>({option("samples", &Options::samples, "steps from the baseline to the mask", at_least(1))}),
      is_cam, cost<Options>, cost_on<Options>);
  return definition;
}

template <class Definition, class Options>
std::vector<Explanation> explain_channels(const Definition& definition, const Probe& probe, const Tensor& inputs,
                                          const Options& options, const Execution& execution, const Passes& passes) {
  return definition.run(probe, inputs, options, execution, [&](MethodRun& run) {
    explain_by_cam(run, probe, settings_of(definition.info().name, options), 2, [&](CamView& view) {
      return evidence_of_channels(view, options.channels, options.baseline, passes);
    });
  });
}

/// Noise of one pass for masks [n,1,H,W]: a function of the seed, the pass and the channel.
Tensor mask_noise(const Tensor& masks, uint64_t seed, int64_t pass, std::span<const int64_t> channels) {
  constexpr uint64_t most_channels = uint64_t{1} << 32;
  const Tensor noise = at::empty(masks.sizes(), at::kFloat);
  const auto size = static_cast<size_t>(masks.size(2) * masks.size(3));
  for (size_t i = 0; i < channels.size(); ++i)
    Random(seed, RandomStream::noise, static_cast<uint64_t>(pass) * most_channels + static_cast<uint64_t>(channels[i]))
        .fill_normal({noise.data_ptr<float>() + i * size, size});
  return noise.to(masks.options());
}

}  // namespace

MethodList scorecam_methods() { return {&definition(), &smooth_definition(), &integrated_definition()}; }

std::vector<Explanation> scorecam(const Probe& probe, const Tensor& inputs, const ScoreCamOptions& options,
                                  const Execution& execution) {
  return explain_channels(definition(), probe, inputs, options, execution, {});
}

std::vector<Explanation> ss_cam(const Probe& probe, const Tensor& inputs, const SsCamOptions& options,
                                const Execution& execution) {
  const Variation vary = [&](const Tensor& masks, int64_t pass, std::span<const int64_t> channels) {
    return (masks + options.noise * mask_noise(masks, options.seed, pass, channels)).clamp_(0, 1);
  };
  return explain_channels(smooth_definition(), probe, inputs, options, execution, {options.samples, vary, true});
}

std::vector<Explanation> is_cam(const Probe& probe, const Tensor& inputs, const IsCamOptions& options,
                                const Execution& execution) {
  const Variation vary = [&](const Tensor& masks, int64_t pass, std::span<const int64_t>) {
    return masks * (static_cast<double>(pass + 1) / static_cast<double>(options.samples));
  };
  return explain_channels(integrated_definition(), probe, inputs, options, execution, {options.samples, vary, false});
}

}  // namespace vitrail
