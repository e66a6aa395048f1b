#include <vitrail/compressed_size.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <vitrail/image.h>

#include "evaluation/metric_impl.h"
#include "evaluation/pixel_order.h"

namespace vitrail {

namespace {

/// uint8 [H,W,1]: the smallest value is black, the largest white.
Tensor grey_picture(const Tensor& map) {
  const Tensor values = map.to(at::kDouble);
  const Tensor picture =
      is_constant(values) ? at::zeros_like(values) : (values - values.min()) / (values.max() - values.min()) * 255;
  return picture.round().to(at::kByte).unsqueeze(2);
}

OptionTable<CompressedSizeOptions> options_table() {
  using Options = CompressedSizeOptions;
  return OptionTable<Options>(
      {option("quality", &Options::quality, "of the JPEG", between(1, 100)),
       option("size", &Options::size, "pixels of a side that the map is brought to", between(8, 4096))});
}

const MetricDefinition<CompressedSizeOptions>& definition() {
  static const MetricDefinition<CompressedSizeOptions> definition(
      {.name = "compressed_size",
       .family = "complexity",
       .aliases = {"jpeg_size"},
       .summary = "Bytes of the map as a grey JPEG.",
       .formula = "bytes of JPEG(resize(255 (phi - min) / (max - min), size x size), quality)",
       .direction = Direction::lower,
       .evidence = Evidence::map,
       .range = "bytes",
       .cost = "0",
       .source = "Serrurier et al., On the explainable properties of 1-Lipschitz Neural Networks, NeurIPS 2023"},
      options_table(), compressed_size);
  return definition;
}

}  // namespace

const MetricEntry& compressed_size_metric() { return definition(); }

MetricScore compressed_size(const MetricCase& map, const CompressedSizeOptions& options) {
  return definition().run(map, options, [&] {
    if (!map.map.any().item<bool>()) return undefined_score("the map is zero everywhere");
    const Tensor picture = resize(grey_picture(map.map), options.size, options.size, ResizeFilter::bilinear);
    return MetricScore{.value = static_cast<double>(encode_jpeg(picture, static_cast<int>(options.quality)).size())};
  });
}

}  // namespace vitrail
