// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/cholesky.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sparse_experts {

/// Weights a_1 … a_K, Σ a_k = 1, that minimise |Σ_k a_k (x_k - x_{k-1})|: the combination Σ_k a_k x_k is the
/// limit of the sequence where x_k depends linearly on x_{k-1}. `gram` (K x K) holds the inner products of
/// the differences. Empty where they are too dependent, or where the combination would magnify rounding.
inline Vector<double> extrapolation_weights(const Matrix<double>& gram) {
  const Index depth = gram.rows();
  UpdatableCholesky factor;
  for (const bool taken : factor.append(Matrix<double>(0, depth), gram, 1e-13))
    if (!taken) return {};
  Vector<double> weights;
  detail::fill(weights, depth, 1.0);
  factor.solve(weights);
  const double sum = detail::total(weights);
  if (!(std::abs(sum) > 0)) return {};
  for (Index k = 0; k < depth; ++k) weights[k] /= sum;
  if (!(detail::absolute_total(weights) < 1e6)) return {};
  return weights;
}

/// Anderson extrapolation of the iterates of coordinate descent, which is a linear map of the weights once
/// their signs have settled. The caller accepts a point only where it lowers the objective, so the solution
/// stays what it was. Ref: Bertrand, Massias, "Anderson acceleration of coordinate descent", AISTATS 2021,
/// algorithm 2; Scieur, d'Aspremont, Bach, NIPS 2016.
class AndersonExtrapolation {
 public:
  static constexpr Index depth = 5;

  /// Starts a new sequence at x.
  void restart(const Vector<double>& x) {
    iterates_.resize(x.size(), depth + 1);
    count_ = 0;
    push(x);
  }
  /// The next iterate; true when the sequence is long enough.
  bool push(const Vector<double>& x) {
    std::copy(x.data(), x.data() + x.size(), iterate(count_++));
    return count_ == depth + 1;
  }
  /// The extrapolated point, empty where there is none.
  Vector<double> extrapolate() const {
    const Index n = iterates_.rows();
    std::vector<double> steps(iterates_.data() + n, iterates_.data() + (depth + 1) * n);
    detail::add_multiple(-1.0, iterates_.data(), steps.data(), depth * n);
    Matrix<double> gram(depth, depth);
    for (Index j = 0; j < depth; ++j)
      for (Index i = 0; i <= j; ++i)
        gram(i, j) = gram(j, i) = detail::dense_dot(steps.data() + i * n, steps.data() + j * n, n);
    const Vector<double> weights = extrapolation_weights(gram);
    if (weights.size() == 0) return {};
    Vector<double> point;
    detail::fill(point, n, 0.0);
    for (Index k = 0; k < depth; ++k)
      detail::add_multiple(weights[k], iterates_.data() + (k + 1) * n, point.data(), n);
    return point;
  }

 private:
  double* iterate(Index k) { return iterates_.data() + k * iterates_.rows(); }

  Matrix<double> iterates_;
  Index count_ = 0;
};

}  // namespace sparse_experts
