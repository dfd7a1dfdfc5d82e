// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/margin_problem.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

/// The certificate of the margin solvers, from the dual problem
///   max_a -sum_i c_i l*(-a_i / c_i)   subject to |X'(y a)|_inf <= 1, and y'a = 0 when b is free.
namespace sparse_experts::detail {

/// 1e-13 sum_i |x_ij| a_i: what rounding can do to x_j'(y a).
inline double rounding_slack(const MarginColumns& x, Index j, const Vector<double>& a) {
  ColumnCopy scratch;
  double sum = 0;
  x.visit(j, scratch).for_each([&](Index i, double value) { sum += std::abs(value) * a[i]; });
  return 1e-13 * sum;
}

/// Dual value of the best feasible point on the ray through a >= 0 (changed in place: balanced when b is
/// free). Needs one pass over X; `correlations` receives X'(y a) of the balanced, unscaled point. With
/// `columns` the problem is that of these columns alone.
inline double dual_value(const MarginProblem& problem, Vector<double>& a, Vector<double>& correlations,
                         const std::vector<Index>* columns = nullptr) {
  const Vector<double>& y = problem.y;
  if (problem.free_intercept) {
    double plus = 0, minus = 0;
    for (Index i = 0; i < a.size(); ++i) (y[i] > 0 ? plus : minus) += a[i];
    const double side = plus > minus ? 1 : -1;
    const double factor = plus > minus ? minus / plus : (minus > 0 ? plus / minus : 1);
    for (Index i = 0; i < a.size(); ++i)
      if (y[i] == side) a[i] *= factor;
  }
  const Vector<double> ya = entry_products(y, a);
  correlations.resize(problem.x.cols());
  if (columns)
    problem.x.correlations_of(*columns, ya.data(), correlations.data(), problem.n_threads);
  else
    problem.x.correlations(ya.data(), correlations.data(), problem.n_threads);
  double largest = 0;
  for (Index j = 0; j < correlations.size(); ++j) {
    double magnitude = std::abs(correlations[j]);
    // A huge column cannot be orthogonal to ya beyond the rounding of its own products.
    if (magnitude > std::max(1.0, largest))
      magnitude = std::max(1.0, magnitude - rounding_slack(problem.x, j, a));
    largest = std::max(largest, magnitude);
  }
  double s = largest > 0 ? 1 / largest : 1;
  if (problem.loss == L1SVMLoss::squared_hinge) {
    // The value s sum a - s^2 sum a^2 / (4 c) has its maximum at `peak`.
    double linear = 0, square = 0;
    for (Index i = 0; i < a.size(); ++i)
      if (problem.c[i] > 0) {
        linear += a[i];
        square += a[i] * a[i] / problem.c[i];
      }
    const double peak = square > 0 ? 2 * linear / square : 0;
    s = largest > 0 ? std::min(s, peak) : peak;
  } else {
    s = std::min(s, 1.0);
  }
  return with_loss(problem.loss, [&](auto loss) {
    double sum = 0;
    for (Index i = 0; i < a.size(); ++i)
      if (problem.c[i] > 0)
        sum -= problem.c[i] * loss.conjugate(std::min(s * a[i] / problem.c[i], loss.max_slope));
    return sum;
  });
}

/// w and b are as good as the certificate says: computes f = Xw + b from scratch (with the best b when it is
/// free), then primal, dual and the relative gap. `best_dual` keeps the highest dual value seen;
/// `correlations` receives X'(y a), the slopes of the loss with the sign turned. `keep_scores`: f is up to
/// date but for rounding, and with `columns` the dual is that of the problem without the others: good enough
/// on the way, not for what is returned.
inline Convergence certify(const MarginProblem& problem, MarginState& state, double tol, double& best_dual,
                           Vector<double>& correlations, bool keep_scores = false,
                           const std::vector<Index>* columns = nullptr) {
  if (!keep_scores) {
    fill(state.f, problem.y.size(), state.intercept);
    for (Index j = 0; j < state.coef.size(); ++j)
      if (state.coef[j] != 0) problem.x.run(j).axpy(state.coef[j], state.f.data());
  }
  if (problem.free_intercept) {
    const double shift = best_shift(problem, state.f);
    state.intercept += shift;
    add_constant(state.f.data(), state.f.size(), shift);
  }
  Vector<double> a;
  natural_dual(problem, state.f, a);
  Convergence result;
  result.objective = absolute_total(state.coef) + loss_sum(problem, state.f);
  best_dual = std::max(best_dual, dual_value(problem, a, correlations, columns));
  const double gap = std::max(0.0, result.objective - best_dual);
  result.value = result.objective > 0 ? gap / result.objective : 0;
  result.tolerance = tol;
  if (result.value <= tol) result.status = Status::converged;
  return result;
}

}  // namespace sparse_experts::detail
