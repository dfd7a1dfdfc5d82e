// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/anderson.hpp>

#include <algorithm>

namespace sparse_experts {

/// Dual extrapolation: the residuals of a first order method converge to the dual optimum along a linear
/// recurrence, and their extrapolation is a far better dual point than the last of them. Residuals and
/// correlations are affine in w, so the extrapolated ones are the same combination of those measured: no
/// pass over X. Ref: Massias, Gramfort, Salmon, "Celer", ICML 2018, sec. 3.
class ResidualHistory {
 public:
  static constexpr Index depth = AndersonExtrapolation::depth;

  void clear() { count_ = 0; }

  /// A measured point: residual r, v = ω∘r, c = X'v.
  void push(const Vector<double>& r, const Vector<double>& v, const Vector<double>& c) {
    if (count_ == 0) {
      r_.resize(r.size(), depth + 1);
      v_.resize(v.size(), depth + 1);
      c_.resize(c.size(), depth + 1);
    }
    const Index at = count_ % (depth + 1);  // a ring
    r_.col(at) = r;
    v_.col(at) = v;
    c_.col(at) = c;
    ++count_;
  }

  /// Combines the last points into r, v, c. Returns Σ |a_k|, by which rounding grows; 0 where there are too
  /// few points or they tell nothing.
  double extrapolate(Vector<double>& r, Vector<double>& v, Vector<double>& c) const {
    if (count_ < depth + 1) return 0;
    const auto at = [&](Index k) { return (count_ + k) % (depth + 1); };  // k = 0: the oldest
    Matrix<double> gram(depth, depth);
    for (Index j = 0; j < depth; ++j)
      for (Index i = 0; i <= j; ++i)
        gram(i, j) = gram(j, i) = (r_.col(at(i + 1)) - r_.col(at(i))).dot(v_.col(at(j + 1)) - v_.col(at(j)));
    const Vector<double> weights = extrapolation_weights(gram);
    if (weights.size() == 0) return 0;
    r.setZero(r_.rows());
    v.setZero(v_.rows());
    c.setZero(c_.rows());
    for (Index k = 0; k < depth; ++k) {
      r += weights[k] * r_.col(at(k + 1));
      v += weights[k] * v_.col(at(k + 1));
      c += weights[k] * c_.col(at(k + 1));
    }
    return weights.cwiseAbs().sum();
  }

 private:
  Matrix<double> r_, v_, c_;
  Index count_ = 0;
};

}  // namespace sparse_experts
