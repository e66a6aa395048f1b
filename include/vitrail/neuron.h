#pragma once

// Neuron attribution: one unit of a layer as the score.
//
//   const auto probe = neuron_probe(model, "layer3.1:17");        // mean of channel 17 over the positions of layer3.1
//   const auto probe = neuron_probe(model, "layer3.1:17:4:6");    // its cell in row 4, column 6
//   saliency(*probe, input);                                      // what this unit looks at
//
// Every method runs on it: what a class score is to a network, the unit's value is to the network in front of it.
// Layers are read as in Suffix (scorer.h): channels of planes where positions are kept, features of tokens [N,T,D] (a
// cell is then 0:TOKEN), features of rows [N,D].
//
// Cost    a score runs the network up to the layer, without a plan.
// Errors  UsageError for unknown layers, for units that they do not have, and for another form.

#include <vitrail/model.h>
#include <vitrail/scorer.h>

#include <memory>
#include <string>

namespace vitrail {

std::unique_ptr<Probe> neuron_probe(const Model& model, const std::string& unit);

}  // namespace vitrail
