#include "attribution/method_impl.h"

namespace vitrail {

const MethodEntry& lrp_method();
const MethodEntry& attn_lrp_method();
const MethodEntry& deeplift_method();
const MethodEntry& attention_rollout_method();
const MethodEntry& gradient_rollout_method();
const MethodEntry& legrad_method();

MethodList relevance_methods() {
  return {
      &lrp_method(),   &attn_lrp_method(), &deeplift_method(), &attention_rollout_method(), &gradient_rollout_method(),
      &legrad_method()};
}

}  // namespace vitrail
