// Damaged files are read, and their operators made, or refused with one of vitrail's errors; nothing crashes, and no
// other exception leaves.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include "onnx/nodes_for_tests.h"
#include "support/damaged_onnx.h"

namespace vitrail {
namespace {

using namespace vitrail::testing;

/// False where the model is refused. Any other exception fails the test.
bool survives(const std::string& bytes) try {
  ReadLimits limits;
  limits.max_tensor_bytes = 1 << 20;
  const OnnxModel model = testing::read_bytes(bytes, limits);
  for (const NodeSpec& node : model.nodes) {
    OperatorSpec spec{node, {}};
    for (const std::string& name : node.inputs) {
      auto constant = model.initializers.find(name);
      spec.constants.push_back(constant == model.initializers.end() ? Tensor() : constant->second);
    }
    OperatorRegistry::all().make(spec);
  }
  return true;
} catch (const InternalError& e) {
  ADD_FAILURE() << e.what();
  return false;
} catch (const Error&) {
  return false;
}

class Damage : public ::testing::TestWithParam<OnnxBuilder (*)()> {
 protected:
  /// How many of 4000 damaged files were refused.
  int refused(std::string (*damage)(std::string, Random&)) {
    const std::string valid = GetParam()().bytes();
    int count = 0;
    for (unsigned seed = 0; seed < 4000; ++seed) {
      SCOPED_TRACE(seed);
      Random random(seed);
      count += !survives(damage(valid, random));
    }
    return count;
  }
};

TEST_P(Damage, StartsFromAValidModel) {
  const std::string valid = GetParam()().bytes();
  EXPECT_TRUE(survives(valid));
  EXPECT_EQ(serialize(parse(valid).value()), valid);
}

// The counts say that the damage is neither harmless nor so great that nothing behind the parser is reached.
TEST_P(Damage, OfBytesIsReadOrRefused) {
  const int count = refused(damage_bytes);
  EXPECT_GT(count, 1000);
  EXPECT_LT(count, 3900);
}

TEST_P(Damage, OfTheStructureIsReadOrRefused) {
  const int count = refused(damage_structure_often);
  EXPECT_GT(count, 500);
  EXPECT_LT(count, 3500);
}

INSTANTIATE_TEST_SUITE_P(Models, Damage, ::testing::Values(convolutional_model, token_model));

}  // namespace
}  // namespace vitrail
