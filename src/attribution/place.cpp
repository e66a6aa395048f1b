#include "attribution/place.h"

#include <ATen/TensorOperators.h>
#include <vitrail/forgrad.h>

#include "attribution/maps.h"

namespace vitrail {

namespace {

/// To the size of the photo. Values that have no place in it are stretched: rows and columns are then units.
Tensor enlarge(const Tensor& values, int64_t height, int64_t width, bool has_place) {
  if (!values.defined() || (values.size(0) == height && values.size(1) == width)) return values;
  return upsample(values, height, width, has_place ? Interpolation::bicubic : Interpolation::nearest);
}

}  // namespace

void finish_maps(std::vector<Explanation>& results, const std::string& canonical, const Place& place) {
  for (Explanation& result : results) {
    result.method = canonical;
    if (place.forgrad == 0) continue;
    result.map = forgrad(result.map, place.forgrad);
    result.is_signed = false;
    result.completeness_gap.reset();   // what is left adds up to nothing in particular
    result.standard_error = Tensor();  // the size of a sum of frequencies is not linear in them
  }
}

void place_on_photo(Explanation& result, const std::string& layer, bool has_place, int64_t height, int64_t width) {
  if (!result.cells.defined()) result.cells = result.map;
  const bool not_negative = result.map.min().item<double>() >= 0;
  result.map = enlarge(result.map, height, width, has_place);
  if (not_negative) result.map = result.map.clamp_min(0);  // bicubic overshoots
  if (result.standard_error.defined())
    result.standard_error = enlarge(result.standard_error, height, width, has_place).clamp_min(0);
  result.plan["layer"] = layer;
  const std::string input = "input unit";
  if (const size_t at = result.unit.find(input); at != std::string::npos)
    result.unit.replace(at, input.size(), "layer unit");
  if (!has_place)
    result.warnings.push_back("The value of layer " + layer +
                              " has no place in the photo: the map shows its units side by side, stretched to the "
                              "photo's size. Read the cells.");
}

std::vector<Explanation> explain_layer(
    const std::string& method, const Scorer& scorer, const Tensor& inputs, const std::string& layer,
    const std::function<std::vector<Explanation>(const LayerScorer&, const Tensor& values)>& explain) {
  const auto* probe = dynamic_cast<const Probe*>(&scorer);
  if (!probe)
    throw UsageError(
        method + ": layer=" + layer +
        " needs the layers of a network (a Probe), and this scorer gives less. Load the model as a graph, " +
        "or explain the input.");
  std::vector<Explanation> all;
  for (int64_t i = 0; i < inputs.size(0); ++i) {
    const LayerScorer behind(*probe, inputs.narrow(0, i, 1), layer);
    for (Explanation& result : explain(behind, behind.value())) {
      place_on_photo(result, layer, behind.has_place(), inputs.size(2), inputs.size(3));
      all.push_back(std::move(result));
    }
  }
  return all;
}

}  // namespace vitrail
