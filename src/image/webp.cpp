// WebP by libwebp: features first, then the pixels. Of an animation the first frame, by its animation decoder.

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "image/codecs.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

[[noreturn]] void refuse(const EncodedImage& file) {
  throw InputError(file.name + " is a damaged or truncated WebP. Copy or download it again.");
}

/// On the whole canvas, which a frame need not cover.
Tensor first_frame(const EncodedImage& file) {
  const WebPData data{reinterpret_cast<const uint8_t*>(file.bytes.data()), file.bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(WebPAnimDecoderNew(&data, nullptr),
                                                                                   WebPAnimDecoderDelete);
  WebPAnimInfo info;
  uint8_t* rgba = nullptr;  // the decoder's own
  int milliseconds = 0;
  if (!decoder || !WebPAnimDecoderGetInfo(decoder.get(), &info) ||
      !WebPAnimDecoderGetNext(decoder.get(), &rgba, &milliseconds))
    refuse(file);
  return at::from_blob(rgba, {info.canvas_height, info.canvas_width, 4}, at::kByte)
      .narrow(2, 0, 3)
      .clone(at::MemoryFormat::Contiguous);
}

}  // namespace

Tensor decode_webp(const EncodedImage& file) {
  const auto* data = reinterpret_cast<const uint8_t*>(file.bytes.data());
  const size_t size = file.bytes.size();
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, size, &features) != VP8_STATUS_OK) refuse(file);
  check_size(file, features.width, features.height);
  if (features.has_animation) return first_frame(file);
  Tensor pixels = at::empty({features.height, features.width, 3}, at::kByte);
  if (!WebPDecodeRGBInto(data, size, pixels.data_ptr<uint8_t>(), pixels.nbytes(), features.width * 3)) refuse(file);
  return pixels;
}

}  // namespace vitrail
