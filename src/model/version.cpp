#include "vitrail/version.h"

namespace vitrail {

std::string version() { return VITRAIL_VERSION; }

}  // namespace vitrail
