#include <vitrail/human_map.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/grid_sampler_2d.h>
#include <ATen/ops/stack.h>
#include <vitrail/error.h>
#include <vitrail/image.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "evaluation/input_centres.h"
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

/// Places on one axis of the photo from -1 to 1 over the whole of it, as grid_sampler wants them.
Tensor over_the_photo(const Tensor& places, int64_t size) {
  return (places * (2 / static_cast<double>(size)) - 1).to(at::kFloat);
}

}  // namespace

Tensor read_human_map(const fs::path& file, const PreparedImage& photo) {
  const Tensor values = read_values(file);
  if (values.dim() != 2 || values.numel() == 0)
    throw InputError(file.string() + " has " + std::to_string(values.dim()) +
                     " axes; expected a map [height,width] of the whole photo.");
  const int64_t height = photo.input.size(2), width = photo.input.size(3);
  const InputCentres centres(photo);
  const Tensor x = over_the_photo(centres.x, photo.width), y = over_the_photo(centres.y, photo.height);
  const Tensor grid = at::stack({x.unsqueeze(0).expand({height, width}), y.unsqueeze(1).expand({height, width})}, 2);
  constexpr int64_t kBilinear = 0, kBorder = 1;
  return at::grid_sampler_2d(values.unsqueeze(0).unsqueeze(0), grid.unsqueeze(0), kBilinear, kBorder,
                             /*align_corners=*/false)[0][0];
}

Tensor read_human_maps(const fs::path& folder, const PreparedImage& photo) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string ending = entry.path().extension().string();
    if (ending == ".npy" || ending == ".png" || ending == ".jpg" || ending == ".webp") files.push_back(entry.path());
  }
  if (files.empty())
    throw InputError(folder.string() + " holds no maps; expected .npy or pictures, one a person or measure.");
  std::sort(files.begin(), files.end());
  Tensors maps;
  for (const fs::path& file : files) maps.push_back(read_human_map(file, photo));
  return at::stack(maps);
}

}  // namespace vitrail
