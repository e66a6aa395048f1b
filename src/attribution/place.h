#pragma once

// Where a method string is applied, and what is done to its maps: options that methods do not know of.
//
//   layer     the value that is explained: input, or any layer, by a scorer of what lies behind (layer_scorer.h)
//   forgrad   what is left of the map's frequencies (forgrad.h); of gradient methods

#include <vitrail/error.h>
#include <vitrail/explanation.h>
#include <vitrail/layer_scorer.h>

#include <functional>
#include <string>
#include <vector>

#include "attribution/options.h"

namespace vitrail {

struct Place {
  static constexpr const char* input = "input";
  std::string layer = input;
  double forgrad = 0;
};

/// The options of a method string: the method's own, and where it is applied.
template <class Options>
struct Placed {
  Options own;
  Place place;
};

/// A row of a part of `Whole` as a row of it.
template <class Whole, class Part>
Option<Whole> row_of(Part Whole::* part, const Option<Part>& row) {
  return {row.name,
          row.type,
          row.description,
          [=, read = row.read](Whole& whole, const std::string& text) { read(whole.*part, text); },
          [=, write = row.write](const Whole& whole) { return write(whole.*part); },
          [=, check = row.check](const Whole& whole) { check(whole.*part); }};
}

template <class Options>
OptionTable<Placed<Options>> with_place(const OptionTable<Options>& table, bool layer, bool forgrad) {
  std::vector<Option<Placed<Options>>> rows;
  for (const Option<Options>& row : table.rows()) rows.push_back(row_of(&Placed<Options>::own, row));
  if (layer)
    rows.push_back(row_of(&Placed<Options>::place,
                          option("layer", &Place::layer, "what is explained: input, or the value of a layer")));
  if (forgrad)
    rows.push_back(
        row_of(&Placed<Options>::place,
               option("forgrad", &Place::forgrad,
                      "keep frequencies of the map up to this radius (15 at 224 pixels); 0: all", at_least(0))));
  return {rows};
}

/// What follows a method's mathematics: the name as written, the filter.
void finish_maps(std::vector<Explanation>& results, const std::string& canonical, const Place& place);

/// Enlarges a map of a layer's cells to the photo's size; the cells are kept. A layer without a place in the photo is
/// stretched, with a warning.
void place_on_photo(Explanation& result, const std::string& layer, bool has_place, int64_t height, int64_t width);

/// Explains the value of a layer instead of the inputs, input by input, and enlarges the maps to the inputs' size where
/// the layer has a place in the photo. The native values become `cells` where the method has none of its own.
/// UsageError for a scorer without layers.
std::vector<Explanation> explain_layer(
    const std::string& method, const Scorer& scorer, const Tensor& inputs, const std::string& layer,
    const std::function<std::vector<Explanation>(const LayerScorer&, const Tensor& values)>& explain);

}  // namespace vitrail
