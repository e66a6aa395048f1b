// Every operator with a derivative has it checked against finite differences: nobody forgets a new one.

#include <gmock/gmock.h>

#include <set>

#include "base/text.h"
#include "ops/operator_case.h"
#include "ops/registry.h"

namespace vitrail {
namespace {

/// Those whose derivative is zero almost everywhere or that only make, compare, count or place things; and
/// QuantizeDequantize, whose gradient is not that of its values.
const std::set<std::string> kWithoutDerivative = {"And",
                                                  "BitShift",
                                                  "BitwiseAnd",
                                                  "BitwiseNot",
                                                  "BitwiseOr",
                                                  "BitwiseXor",
                                                  "EyeLike",
                                                  "Hardmax",
                                                  "IsInf",
                                                  "IsNaN",
                                                  "NonMaxSuppression",
                                                  "NonZero",
                                                  "ArgMax",
                                                  "ArgMin",
                                                  "Ceil",
                                                  "DequantizeLinear",
                                                  "DynamicQuantizeLinear",
                                                  "QuantizeDequantize",
                                                  "QuantizeLinear",
                                                  "ConstantOfShape",
                                                  "Equal",
                                                  "Floor",
                                                  "Greater",
                                                  "GreaterOrEqual",
                                                  "Less",
                                                  "LessOrEqual",
                                                  "Not",
                                                  "Or",
                                                  "Range",
                                                  "Round",
                                                  "Shape",
                                                  "Sign",
                                                  "Size",
                                                  "Xor"};

/// After all tests, because they run in no promised order; only when all of them ran.
class EveryDerivative : public testing::Environment {
 public:
  void TearDown() override {
    if (GTEST_FLAG_GET(filter) != "*") return;
    std::vector<std::string> forgotten;
    for (const std::string& name : OperatorRegistry::all().names())
      if (!kWithoutDerivative.contains(name) && !operators_with_derivatives().contains(name)) forgotten.push_back(name);
    if (!forgotten.empty()) ADD_FAILURE() << "no test calls expect_derivatives on: " << join(forgotten);
  }
};

[[maybe_unused]] const testing::Environment* const kEveryDerivative =
    testing::AddGlobalTestEnvironment(new EveryDerivative);

}  // namespace
}  // namespace vitrail
