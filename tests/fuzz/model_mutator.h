#pragma once

// Changes ONNX models as protobuf messages, through reflection: every field of the schema is reached, and what comes
// out parses. For LLVMFuzzerCustomMutator and LLVMFuzzerCustomCrossOver, whose arguments and results these are.

#include <cstddef>
#include <cstdint>
#include <span>

namespace vitrail::testing {

/// Changes a model in place and returns its new size. Bytes that are no model change as bytes, or give way to a
/// model of the tests.
size_t mutate_model(uint8_t* data, size_t size, size_t max_size, unsigned seed);

/// Copies parts of `other` over parts of the same kind of `model`; 0 where either is no model.
size_t cross_models(std::span<const uint8_t> model, std::span<const uint8_t> other, std::span<uint8_t> out,
                    unsigned seed);

}  // namespace vitrail::testing
