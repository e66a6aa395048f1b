#pragma once

// Sums over samples, in blocks, for estimates that are no means: the jackknife leaves out each block in turn.
//
// With f_b the estimate without block b of B, the standard error is sqrt((B - 1) / B * sum_b (f_b - mean f)^2)
// (Tukey 1958). Of a size that does not depend on the number of samples.

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>

#include <functional>
#include <vector>

#include "attribution/cam/cam_view.h"

namespace vitrail {

class BlockSums {
 public:
  static constexpr int64_t blocks = 10;

  void add(int64_t sample, const Tensors& terms) {
    const auto block = static_cast<size_t>(sample % blocks);
    if (block >= sums_.size()) sums_.resize(block + 1);
    Tensors& sums = sums_[block];
    if (sums.empty()) sums.resize(terms.size());
    for (size_t i = 0; i < terms.size(); ++i) sums[i] = sums[i].defined() ? sums[i] + terms[i] : terms[i];
  }

  bool empty() const { return sums_.empty(); }

  /// f of the sums over all samples [h,w], and its standard error where there are two blocks or more.
  CamEvidence estimate(const std::function<Tensor(const Tensors& sums)>& f) const {
    CamEvidence result{f(without(sums_.size())), {}};
    if (sums_.size() < 2) return result;
    Tensors parts;
    for (size_t block = 0; block < sums_.size(); ++block) parts.push_back(f(without(block)));
    const Tensor estimates = at::stack(parts).to(at::kDouble);
    const auto n = static_cast<double>(parts.size());
    result.standard_error = ((estimates - estimates.mean(0)).square().sum(0) * ((n - 1) / n)).sqrt();
    return result;
  }

 private:
  Tensors without(size_t left_out) const {
    Tensors total(sums_[0].size());
    for (size_t block = 0; block < sums_.size(); ++block)
      for (size_t i = 0; i < total.size() && block != left_out; ++i)
        total[i] = total[i].defined() ? total[i] + sums_[block][i] : sums_[block][i];
    return total;
  }

  std::vector<Tensors> sums_;
};

}  // namespace vitrail
