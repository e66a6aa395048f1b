#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace vitrail {

/// SHA-256 in hexadecimal.
std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace vitrail
