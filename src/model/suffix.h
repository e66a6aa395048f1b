#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vitrail/model.h"

namespace vitrail {

/// What lies behind a layer of the model's graph: the rest alone is run, with what runs past the layer fed. UsageError
/// for a value that does not hold one row a sample.
std::unique_ptr<const Suffix> suffix_of(const Model& model, const std::vector<Target>& targets,
                                        const RunOptions& options, const Tensor& inputs, const std::string& layer);

}  // namespace vitrail
