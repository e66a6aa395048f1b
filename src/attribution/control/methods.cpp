#include "attribution/method_impl.h"

namespace vitrail {

const MethodEntry& random_method();
const MethodEntry& edges_method();
const MethodEntry& centre_method();

MethodList control_methods() { return {&random_method(), &edges_method(), &centre_method()}; }

}  // namespace vitrail
