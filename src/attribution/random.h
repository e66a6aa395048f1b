#pragma once

// Counter-based random numbers: a number is a function of (seed, stream, index, place) and of nothing that
// was drawn before, so results cannot depend on batch, order or threads.
//
// The generator is Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as
// 1, 2, 3, SC 2011): ten rounds of a bijection of a 128-bit counter under a 64-bit key. The key is
// the seed; the counter holds the stream (8 bits), the place (56 bits) and the index (64 bits).
//
//   Random random(seed, RandomStream::noise, sample);
//   double u = random.uniform();          // walks through places 0, 1, 2, ...
//   double v = random.uniform_at(1000);   // reads one place without walking

#include <cstdint>
#include <span>

namespace vitrail {

/// Kinds of draws, so that two methods with the same seed share no numbers.
enum class RandomStream : uint8_t {
  noise,
  design,
  rise,
  path,
  baseline,
  imputation,
  coalition,
  order,
  weights,
  control,
  bootstrap,
  permutation,
  neighbour
};

class Random {
 public:
  /// `index`: of the sample, mask or replicate the numbers belong to.
  Random(uint64_t seed, RandomStream stream, uint64_t index) : seed_(seed), index_(index), stream_(stream) {}

  /// 64 random bits; the same for the same place. `place` < 2^56.
  uint64_t at(uint64_t place) const;
  /// Uniform on the multiples of 2^-53 in [0,1).
  double uniform_at(uint64_t place) const;

  double uniform() { return uniform_at(place_++); }
  /// Uniform on the multiples of 2^-24 in [0,1), two from every place, beginning at the next even one.
  void fill_uniform(std::span<float> values);

  /// Independent standard normal numbers (Box and Muller), two from every two places, beginning at the next even one.
  void fill_normal(std::span<float> values);

 private:
  uint64_t seed_, index_, place_ = 0;
  RandomStream stream_;
};

}  // namespace vitrail
