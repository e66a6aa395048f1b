#pragma once

// NumPy's .npy, version 1.0: a magic, a header that is a Python dictionary, little-endian values in C order.
// Written as float32, which maps are; read from float16, float32 and float64.

#include <vitrail/tensor.h>

#include <cstddef>
#include <span>
#include <vector>

namespace vitrail {

/// Any shape; other types are converted to float32.
std::vector<std::byte> encode_npy(const Tensor& tensor);

/// As float32. Throws InputError for another type, order or length.
Tensor decode_npy(std::span<const std::byte> bytes);

}  // namespace vitrail
