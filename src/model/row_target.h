#pragma once

// Scores of a row [N,K]: weighted sums of its entries, and its likeness to another row.

#include "vitrail/target.h"

namespace vitrail {

/// sum_i weights[i] row[indices[i]]
class SumTarget : public TargetScore {
 public:
  /// `indices` int64 [n], `weights` float [n].
  SumTarget(Tensor indices, Tensor weights) : indices_(std::move(indices)), weights_(std::move(weights)) {}
  Tensor score(const ModelOutput& output) const override;

 private:
  Tensor indices_, weights_;
};

/// Cosine of the row with a reference [K].
class SimilarityTarget : public TargetScore {
 public:
  explicit SimilarityTarget(Tensor reference) : reference_(std::move(reference)) {}
  Tensor score(const ModelOutput& output) const override;

 private:
  Tensor reference_;
};

}  // namespace vitrail
