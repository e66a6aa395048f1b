#pragma once

// Energy-based pointing game: the share of the positive relevance that lies in the region of the target.
//
//   value = sum over T of max(phi, 0) / sum of max(phi, 0)
//
// One number with many names: relevance mass accuracy, the inside-total ratio of attribution localisation, and, where T
// is the quadrants of a mosaic that show the target's class, Focus. parts["over_chance"] is the value divided by the
// share of the image that T covers (parts["covered"]): 1 for a map that is the same everywhere, and comparable between
// small and large regions. A map without positive relevance has no share: undefined.
//
// Direction   higher is better.
// Cost        none.
// Source      Wang et al., Score-CAM, CVPR workshops 2020; Arras, Osman, Samek, CLEVR-XAI, 2022 (relevance mass);
//             Kohlbrenner et al., 2020 (attribution localisation); Arias-Duart et al., Focus!, 2022.

#include <vitrail/metric.h>

namespace vitrail {

struct EnergyPointingGameOptions {
  bool abs = false;  ///< |phi| instead of phi
};

MetricScore energy_pointing_game(const MetricCase& map, const EnergyPointingGameOptions& options = {});

}  // namespace vitrail
