#include "attribution/random.h"

#include <ATen/core/PhiloxRNGEngine.h>

#include <cmath>
#include <numbers>

namespace vitrail {

namespace {

double to_unit_interval(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace

uint64_t Random::at(uint64_t place) const {
  const uint64_t block = place / 2 | static_cast<uint64_t>(stream_) << 56;  // a block is 128 bits: two places
  at::Philox4_32 philox(seed_, index_, block);
  if (place % 2 == 1) {
    philox();
    philox();
  }
  const uint64_t low = philox();
  return low | static_cast<uint64_t>(philox()) << 32;
}

double Random::uniform_at(uint64_t place) const { return to_unit_interval(at(place)); }

void Random::fill_normal(std::span<float> values) {
  for (size_t i = 0; i < values.size(); i += 2) {
    const double radius = std::sqrt(-2 * std::log1p(-uniform()));
    const double angle = 2 * std::numbers::pi * uniform();
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < values.size()) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

}  // namespace vitrail
