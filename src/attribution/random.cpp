#include "attribution/random.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/PhiloxRNGEngine.h>
#include <ATen/ops/empty.h>
#include <vitrail/tensor.h>

#include <algorithm>
#include <numbers>

namespace vitrail {

namespace {

double to_unit_interval(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }
float to_unit_interval(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24F; }

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

void Random::fill_uniform(std::span<float> values) {
  place_ += place_ % 2;  // a block has four numbers
  at::Philox4_32 philox(seed_, index_, place_ / 2 | static_cast<uint64_t>(stream_) << 56);
  for (float& value : values) value = to_unit_interval(philox());
  place_ += (values.size() + 1) / 2;
}

void Random::fill_normal(std::span<float> values) {
  place_ += place_ % 2;  // a pair is one block
  const auto pairs = static_cast<int64_t>((values.size() + 1) / 2);
  const Tensor uniform = at::empty({2, pairs}, at::kFloat);
  float *first = uniform.data_ptr<float>(), *second = first + pairs;
  at::Philox4_32 philox(seed_, index_, place_ / 2 | static_cast<uint64_t>(stream_) << 56);
  for (int64_t i = 0; i < pairs; ++i) {
    philox();  // the 24 highest bits of a place are in its second word
    first[i] = to_unit_interval(philox());
    philox();
    second[i] = to_unit_interval(philox());
  }
  place_ += 2 * static_cast<uint64_t>(pairs);
  const Tensor radius = (-uniform[0]).log1p_().mul_(-2).sqrt_(), angle = uniform[1] * (2 * std::numbers::pi);
  const Tensor cosine = angle.cos(), sine = angle.sin();
  const float *r = radius.data_ptr<float>(), *c = cosine.data_ptr<float>(), *s = sine.data_ptr<float>();
  for (size_t i = 0; i + 1 < values.size(); i += 2) {
    values[i] = r[i / 2] * c[i / 2];
    values[i + 1] = r[i / 2] * s[i / 2];
  }
  if (values.size() % 2 == 1) values.back() = r[values.size() / 2] * c[values.size() / 2];
}

}  // namespace vitrail
