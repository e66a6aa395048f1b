#pragma once

// The Hilbert-Schmidt independence criterion between each of d bits and a score: what `hsic` reads off its samples.

#include <vitrail/hsic.h>
#include <vitrail/tensor.h>

#include <cstdint>

#include "attribution/perturbation/estimators.h"

namespace vitrail {

/// The width of the Gaussian kernel of scores y [N]: at least 1e-12 of the largest. Medians of distances are over up to
/// 1024 of the scores.
double kernel_width(KernelWidth rule, const Tensor& y);

/// Bits m (float64 [N,d]) and scores y [N], in units of `rows_a_unit` consecutive rows that depend on each other.
/// Values and errors [d]: the jackknife's, over the units, or 20 or so parts where they are more or only one.
struct Dependence {
  Tensor value, standard_error;
};

/// (2 / N^2) m_i' H L H m_i.
Dependence kernel_dependence(const Tensor& m, const Tensor& y, double width, int64_t rows_a_unit);

/// 2 Var(m_i)^2 sum_q beta_iq^2, with beta_q the coefficients of the ridge regression of the q-th of the 6 leading
/// features of H L H on all bits. Features are those of the kernel at 64 quantiles of y (Nystrom).
Dependence regression_dependence(const Tensor& m, const Tensor& y, double width, int64_t rows_a_unit);

}  // namespace vitrail
