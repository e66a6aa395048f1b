// Damaged files load, or are refused with one of vitrail's errors: wrong shapes, missing inputs, values of other
// types and impossible sizes are found while the shapes are traced.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <fstream>

#include "support/damaged_onnx.h"
#include "vitrail/error.h"
#include "vitrail/graph.h"

namespace vitrail {
namespace {

using namespace vitrail::testing;

class DamagedGraph : public ::testing::TestWithParam<OnnxBuilder (*)()> {
 protected:
  void SetUp() override { path_ = GetParam()().save(); }
  void TearDown() override { std::filesystem::remove_all(path_.parent_path()); }

  /// False where the model is refused. Any other exception fails the test.
  bool survives(const std::string& bytes) try {
    std::ofstream(path_, std::ios::binary) << bytes;
    Graph::load(path_);
    return true;
  } catch (const InternalError& e) {
    ADD_FAILURE() << e.what();
    return false;
  } catch (const Error&) {
    return false;
  }

  std::filesystem::path path_;
};

TEST_P(DamagedGraph, LoadsOrIsRefused) {
  const std::string valid = GetParam()().bytes();
  EXPECT_TRUE(survives(valid));
  int refused = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    refused += !survives(damage_structure_often(valid, random));
  }
  EXPECT_GT(refused, 100);
  EXPECT_LT(refused, 290);
}

INSTANTIATE_TEST_SUITE_P(Models, DamagedGraph, ::testing::Values(convolutional_model, token_model));

}  // namespace
}  // namespace vitrail
