#include <vitrail/fixations.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <vitrail/error.h>

#include <algorithm>

#include "attribution/options.h"
#include "evaluation/csv_table.h"
#include "evaluation/input_centres.h"

namespace vitrail {

namespace {

/// [F,cells]: a Gaussian around each of F places on one axis.
Tensor gaussians(const std::vector<double>& places, const Tensor& cells, double sigma) {
  return (-(at::tensor(places).unsqueeze(1) - cells).square() / (2 * sigma * sigma)).exp();
}

bool is_seen(const Fixation& fixation, const Rectangle& placed) {
  return fixation.x >= placed.x0 && fixation.x < placed.x1 && fixation.y >= placed.y0 && fixation.y < placed.y1;
}

}  // namespace

Fixations read_fixations(const std::filesystem::path& file) {
  enum Column { image, viewer, x, y };
  const CsvTable table(file, {"image", "viewer", "x", "y"});
  Fixations fixations;
  for (size_t row = 0; row < table.rows(); ++row)
    fixations[table.text(row, image)].push_back(
        {.viewer = table.text(row, viewer), .x = table.number(row, x), .y = table.number(row, y)});
  return fixations;
}

Tensor fixation_maps(std::span<const Fixation> fixations, const PreparedImage& photo,
                     const FixationMapOptions& options) {
  if (!(options.sigma > 0))
    throw UsageError("fixation_maps: found sigma " + write_value(options.sigma) + ", expected pixels above 0.");
  std::map<std::string, std::vector<Fixation>> viewers;
  for (const Fixation& fixation : fixations) viewers[fixation.viewer].push_back(fixation);
  const InputCentres centres(photo);
  Tensors maps;
  for (const auto& entry : viewers) {
    const std::vector<Fixation>& own = entry.second;
    if (std::none_of(own.begin(), own.end(), [&](const Fixation& f) { return is_seen(f, photo.placed); })) continue;
    std::vector<double> x, y;
    for (const Fixation& fixation : own) {
      x.push_back(fixation.x);
      y.push_back(fixation.y);
    }
    const Tensor columns = gaussians(x, centres.x, options.sigma), rows = gaussians(y, centres.y, options.sigma);
    maps.push_back(rows.t().matmul(columns));
  }
  return maps.empty() ? Tensor() : at::stack(maps);
}

}  // namespace vitrail
