// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/plain_loops.hpp>
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
    put(r, r_, at);
    put(v, v_, at);
    put(c, c_, at);
    ++count_;
  }

  /// Combines the last points into r, v, c. Returns Σ |a_k|, by which rounding grows; 0 where there are too
  /// few points or they tell nothing.
  double extrapolate(Vector<double>& r, Vector<double>& v, Vector<double>& c) const {
    if (count_ < depth + 1) return 0;
    const auto at = [&](Index k) { return (count_ + k) % (depth + 1); };  // k = 0: the oldest
    Matrix<double> gram(depth, depth);
    const Index n = r_.rows();
    const auto step = [n](const Matrix<double>& m, Index to, Index from, Index i) {
      return m.data()[to * n + i] - m.data()[from * n + i];
    };
    for (Index j = 0; j < depth; ++j)
      for (Index i = 0; i <= j; ++i) {
        const Index ri = at(i + 1), rj = at(i), vi = at(j + 1), vj = at(j);
        double sums[4] = {};
        for (Index l = 0; l < n; ++l) sums[l & 3] += step(r_, ri, rj, l) * step(v_, vi, vj, l);
        gram(i, j) = gram(j, i) = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      }
    const Vector<double> weights = extrapolation_weights(gram);
    if (weights.size() == 0) return 0;
    const auto combine = [&](const Matrix<double>& columns, Vector<double>& out) {
      detail::fill(out, columns.rows(), 0.0);
      for (Index k = 0; k < depth; ++k)
        detail::add_multiple(weights[k], columns.data() + at(k + 1) * columns.rows(), out.data(), out.size());
    };
    combine(r_, r);
    combine(v_, v);
    combine(c_, c);
    return detail::absolute_total(weights);
  }

 private:
  static void put(const Vector<double>& from, Matrix<double>& to, Index column) {
    std::copy(from.data(), from.data() + from.size(), to.data() + column * to.rows());
  }

  Matrix<double> r_, v_, c_;
  Index count_ = 0;
};

}  // namespace sparse_experts
