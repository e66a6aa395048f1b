#include "attribution/perturbation/contexts.h"

#include <vitrail/error.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <numeric>

namespace vitrail {

namespace {

/// The products of the digits of i as functions of i = 0 .. 2^m - 1, those of fewer digits first: product s is 1 where
/// i has all digits of s.
std::vector<uint64_t> products_of_digits(int64_t length) {
  std::vector<uint64_t> products(std::bit_ceil(static_cast<uint64_t>(length)));
  std::iota(products.begin(), products.end(), 0);
  std::stable_sort(products.begin(), products.end(),
                   [](uint64_t a, uint64_t b) { return std::popcount(a) < std::popcount(b); });
  for (uint64_t& product : products) {
    const uint64_t digits = product;
    product = 0;
    for (uint64_t i = 0; i < static_cast<uint64_t>(length); ++i)
      if ((i & digits) == digits) product |= uint64_t{1} << i;
  }
  return products;
}

}  // namespace

ContextOrder::ContextOrder(int64_t neighbours) {
  VITRAIL_CHECK(neighbours >= 0 && neighbours <= 62, "more neighbours than contexts can be counted for");
  if (neighbours == 0) return;
  start_ = (uint64_t{1} << (neighbours / 2)) - 1;
  std::vector<uint64_t> reduced;  // spans what words_ span, no two with one leading digit, larger ones first
  for (const uint64_t word : products_of_digits(neighbours)) {
    uint64_t rest = word;
    for (const uint64_t other : reduced) rest = std::min(rest, rest ^ other);
    if (rest == 0) continue;
    words_.push_back(word);
    reduced.insert(std::upper_bound(reduced.begin(), reduced.end(), rest, std::greater<>()), rest);
  }
}

uint64_t ContextOrder::operator[](uint64_t number) const {
  uint64_t context = start_;
  for (size_t digit = 0; digit < words_.size(); ++digit)
    if (number >> digit & 1) context ^= words_[digit];
  return context;
}

}  // namespace vitrail
