// WebP by libwebp: features first, then the pixels. Of an animation the first frame, by libwebp's demuxer.

#include <ATen/ops/empty.h>
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

}  // namespace

Tensor decode_webp(const EncodedImage& file) {
  const auto* data = reinterpret_cast<const uint8_t*>(file.bytes.data());
  size_t size = file.bytes.size();
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, size, &features) != VP8_STATUS_OK) refuse(file);
  check_size(file, features.width, features.height);
  std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(nullptr, WebPDemuxDelete);
  WebPIterator frame{};
  if (features.has_animation) {
    const WebPData all{data, size};
    demuxer.reset(WebPDemux(&all));
    if (!demuxer || !WebPDemuxGetFrame(demuxer.get(), 1, &frame)) refuse(file);
    data = frame.fragment.bytes;
    size = frame.fragment.size;
    if (WebPGetFeatures(data, size, &features) != VP8_STATUS_OK) refuse(file);
    check_size(file, features.width, features.height);
  }
  Tensor pixels = at::empty({features.height, features.width, 3}, at::kByte);
  const bool decoded = WebPDecodeRGBInto(data, size, pixels.data_ptr<uint8_t>(), pixels.nbytes(), features.width * 3);
  WebPDemuxReleaseIterator(&frame);
  if (!decoded) refuse(file);
  return pixels;
}

}  // namespace vitrail
