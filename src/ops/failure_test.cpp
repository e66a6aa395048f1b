#include "ops/failure.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include <functional>
#include <new>

#include "support/message_of.h"
#include "vitrail/error.h"

namespace vitrail {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// The message of the E that comes out when `failing` fails at a node.
template <class E>
std::string rethrown(const std::function<void()>& failing) {
  return testing::message_of<E>([&] {
    try {
      failing();
    } catch (...) {
      rethrow_at("Conv node 'c'");
    }
  });
}

TEST(NodeTitle, NamesTheNodeOrElseItsOutput) {
  NodeSpec node;
  node.op_type = "Conv";
  node.outputs = {"y"};
  EXPECT_EQ(node_title(node), "Conv node '-> y'");
  node.name = "c";
  EXPECT_EQ(node_title(node), "Conv node 'c'");
}

TEST(RethrowAt, KeepsTheKindAndNamesTheNode) {
  EXPECT_EQ(rethrown<ModelError>([] { throw ModelError("bad pads"); }), "Conv node 'c': bad pads");
  EXPECT_EQ(rethrown<ModelError>([] { throw UsageError("bad axis"); }), "Conv node 'c': bad axis");
  EXPECT_EQ(rethrown<MachineError>([] { throw MachineError("no disk"); }), "Conv node 'c': no disk");
  EXPECT_EQ(rethrown<std::runtime_error>([] { throw std::runtime_error("unknown"); }), "unknown");
  EXPECT_THAT(rethrown<InternalError>([] { throw_internal_error("a > b", "file", 1, ""); }), HasSubstr("a > b"));
}

TEST(RethrowAt, NamesNumbersThatATypeCannotHold) {
  EXPECT_THAT(rethrown<ModelError>([] { at::full({1}, -1.5, at::kByte); }),
              AllOf(StartsWith("Conv node 'c' cannot be computed"), HasSubstr("uint8_t without overflow")));
}

TEST(RethrowAt, TellsWrongShapesFromMemoryThatIsNotThere) {
  EXPECT_THAT(rethrown<ModelError>([] { at::ones({2}) + at::ones({3}); }),
              AllOf(StartsWith("Conv node 'c' cannot be computed"), HasSubstr("size of tensor a (2)")));
  EXPECT_THAT(rethrown<MachineError>([] { at::empty({int64_t{1} << 50}); }), HasSubstr("more memory"));
  EXPECT_THAT(rethrown<MachineError>([] { throw std::bad_alloc(); }), HasSubstr("more memory"));
}

}  // namespace
}  // namespace vitrail
