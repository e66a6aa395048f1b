#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include "attribution/maps.h"
#include "image/overlay.h"
#include "report/atomic_file.h"
#include "report/npy.h"
#include "vitrail/compare.h"

namespace vitrail {
namespace {

constexpr int kGrey = 128;

Image photo_or_grey(const Image* photo, const SavedResult& result) {
  if (photo) return *photo;
  Image grey;
  grey.pixels = at::full({result.height, result.width, 3}, kGrey, at::kByte);
  return grey;
}

}  // namespace

void write_comparison(const std::filesystem::path& folder, const ComparisonFiles& files, const MapComparison& maps,
                      const Explanation& a, const SavedResult& of_a, const Image* photo) {
  if (!files.difference.empty()) write_file(folder / files.difference, encode_npy(maps.difference));
  if (!files.half_width.empty()) write_file(folder / files.half_width, encode_npy(maps.half_width));
  const Tensor size = of_a.array(of_a.files.at(0).map);  // every map of a result has the size of the model's input
  const auto draw = [&](const Tensor& difference, const std::string& file, const std::string& caption) {
    if (file.empty()) return;
    const Tensor map = upsample(difference, size.size(0), size.size(1), Interpolation::nearest);
    write_file(folder / file,
               encode_png(render_overlay(photo_or_grey(photo, of_a), of_a.placed, map, /*is_signed=*/true,
                                         a.name + ": " + a.target.title() + ", first - second", caption, a.unit)));
  };
  draw(maps.difference, files.picture, "positive: more in the first");
  if (!files.significant.empty())
    draw(at::where(maps.significant, maps.difference, at::zeros_like(maps.difference)), files.significant,
         std::to_string(maps.differing) + " of " + std::to_string(maps.cells) + " cells differ beyond their errors");
}

}  // namespace vitrail
