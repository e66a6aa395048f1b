#pragma once

#include <vitrail/method.h>

#include <string>

namespace vitrail {

/// What methods of this access need of a model, in a word: "scores", "gradients", "layers", "operators".
std::string name_of(Access access);

}  // namespace vitrail
