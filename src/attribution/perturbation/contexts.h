#pragma once

// The contexts of a part of the image: which of its neighbours show around it, in the order in which `owen` scores
// them.
//
// A mean over all contexts is wanted, and the first few should come near it. So they are the words of Reed-Muller
// codes: number 2k + 1 is the opposite of number 2k, and the first 2 * 2^m contexts of up to 2^m neighbours are an
// orthogonal array of strength 3: any three neighbours show and hide equally often in all eight ways, so that what
// up to three neighbours do together does not disturb the mean.

#include <cstdint>
#include <vector>

namespace vitrail {

class ContextOrder {
 public:
  /// Of 0 to 62 neighbours; neighbour i shows where binary digit i is 1.
  explicit ContextOrder(int64_t neighbours);

  uint64_t count() const { return uint64_t{1} << words_.size(); }
  uint64_t operator[](uint64_t number) const;

 private:
  uint64_t start_ = 0;           ///< the first context: the first half of the neighbours show; any would do
  std::vector<uint64_t> words_;  ///< independent; context n is start_ + the sum of those at the digits of n, modulo 2
};

}  // namespace vitrail
