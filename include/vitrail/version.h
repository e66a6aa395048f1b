#pragma once

// The version of the library that is loaded, "0.1.0": what results and `vitrail --version` say.

#include <string>

namespace vitrail {

std::string version();

}  // namespace vitrail
