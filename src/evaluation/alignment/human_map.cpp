#include <vitrail/human_map.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/grid_sampler_2d.h>
#include <ATen/ops/stack.h>
#include <vitrail/error.h>
#include <vitrail/image.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include "report/npy.h"

namespace vitrail {

namespace {

namespace fs = std::filesystem;

Tensor read_values(const fs::path& file) {
  if (file.extension() != ".npy") return read_image(file).pixels.to(at::kFloat).mean(2);
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) throw InputError(file.string() + " cannot be read; expected a human map, .npy or a picture.");
  try {
    return decode_npy(std::as_bytes(std::span(bytes)));
  } catch (const InputError& error) {
    throw InputError(file.string() + ": " + error.what());
  }
}

/// Where the centres of the input's pixels lie on one axis of the photo, from -1 to 1 over the whole of it.
Tensor places(double begin, double end, int64_t cells, int64_t size) {
  const Tensor pixels = (at::arange(cells, at::kFloat) + 0.5) * ((end - begin) / static_cast<double>(cells)) + begin;
  return pixels * (2 / static_cast<double>(size)) - 1;
}

}  // namespace

Tensor read_human_map(const fs::path& file, const PreparedImage& photo) {
  const Tensor values = read_values(file);
  if (values.dim() != 2 || values.numel() == 0)
    throw InputError(file.string() + " has " + std::to_string(values.dim()) +
                     " axes; expected a map [height,width] of the whole photo.");
  const int64_t height = photo.input.size(2), width = photo.input.size(3);
  const Tensor x = places(photo.placed.x0, photo.placed.x1, width, photo.width),
               y = places(photo.placed.y0, photo.placed.y1, height, photo.height);
  const Tensor grid = at::stack({x.unsqueeze(0).expand({height, width}), y.unsqueeze(1).expand({height, width})}, 2);
  constexpr int64_t kBilinear = 0, kBorder = 1;
  return at::grid_sampler_2d(values.unsqueeze(0).unsqueeze(0), grid.unsqueeze(0), kBilinear, kBorder,
                             /*align_corners=*/false)[0][0];
}

}  // namespace vitrail
