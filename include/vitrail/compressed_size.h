#pragma once

// Size of the map as a JPEG: a proxy of its Kolmogorov complexity, which sees structure where entropy sees values only.
//
//   value = bytes of JPEG( resize( 255 (phi - min) / (max - min), size x size ), quality )       grey
//
// The size is that of libjpeg-turbo's baseline encoder with its standard tables, file header and all; it depends on
// quality and size, so compare numbers of the same options only. A constant map is a black picture: the least a file
// can have. A map of zeros explains nothing: undefined.
//
// Direction   lower is better (simpler), for maps that are equally faithful.
// Cost        none.
// Source      Serrurier et al., On the explainable properties of 1-Lipschitz Neural Networks, NeurIPS 2023.

#include <vitrail/metric.h>

#include <cstdint>

namespace vitrail {

struct CompressedSizeOptions {
  int64_t quality = 90;  ///< of the JPEG, 1 to 100
  int64_t size = 224;    ///< pixels of a side that the map is brought to, bilinear
};

MetricScore compressed_size(const MetricCase& map, const CompressedSizeOptions& options = {});

}  // namespace vitrail
