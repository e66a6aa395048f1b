#include <vitrail/regions.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/_unique2.h>
#include <vitrail/error.h>
#include <vitrail/image.h>

#include <filesystem>

#include "attribution/perturbation/masks.h"
#include "attribution/perturbation/shared_options.h"
#include "attribution/perturbation/slic.h"
#include "base/text.h"

namespace vitrail {

namespace {

/// Any integers [H,W] as labels from 0.
LabelMap number_labels(const Tensor& values) {
  const auto [distinct, inverse, counts] = at::_unique2(values, /*sorted=*/true, /*return_inverse=*/true);
  return {inverse.reshape(values.sizes()), distinct.numel()};
}

LabelMap read_labels(const std::string& path, int64_t height, int64_t width) {
  const Tensor colours = resize(read_image(path).pixels, height, width, ResizeFilter::nearest).to(at::kLong);
  return number_labels(colours.select(2, 0) * 65536 + colours.select(2, 1) * 256 + colours.select(2, 2));
}

}  // namespace

Regions::Regions(const std::string& name) : name_(name) {
  if (name != "grid" && name != "slic" && !std::filesystem::is_regular_file(name))
    throw UsageError("Regions \"" + name + "\" are neither known nor a file. " + did_you_mean(name, {"grid", "slic"}) +
                     " Or a picture in which every colour is a region.");
}

LabelMap Regions::divide(const Tensor& input, int64_t grid) const {
  const int64_t height = input.size(1), width = input.size(2);
  const Tensor rows = cell_of_pixel(height, grid), columns = cell_of_pixel(width, grid);
  if (is_grid()) return {rows.unsqueeze(1) * grid + columns, grid * grid, true};
  if (name_ == "slic") return number_labels(slic(input, grid * grid));
  return read_labels(name_, height, width);
}

void read_value(const std::string& text, Regions& value) { value = Regions(text); }

std::string write_value(const Regions& value) { return value.name(); }

}  // namespace vitrail
