// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/losses/squared_hinge.hpp>
#include <sparse_experts/solvers/column_reader.hpp>

#include <algorithm>
#include <cmath>
#include <functional>

/// The problem that all margin solvers share, and its certificate:
///   min_{w, b} |w|_1 + sum_i c_i l(y_i (x_i'w + b)),   X: n x p, y in {-1, 1}^n, c >= 0
/// b is free (never penalised) or absent. Its dual is
///   max_a -sum_i c_i l*(-a_i / c_i)   subject to |X'(y a)|_inf <= 1, and y'a = 0 when b is free.
namespace sparse_experts::detail {

template <Design D>
struct MarginProblem {
  const D& design;
  Vector<double> y;     // -1 or 1
  Vector<double> c;     // cost of each sample: C times its weight
  bool free_intercept;  // b is a variable
};

/// Where a solver stands: f = Xw + b belongs to coef and intercept.
struct MarginState {
  Vector<double> coef;
  double intercept = 0;
  Vector<double> f;
};

struct MarginSettings {
  double tol = 1e-4;  // on gap / primal
  Index max_iter = 1000;
  std::function<bool(const Convergence&)> on_iteration;  // false stops
};

template <MarginLoss Loss>
double loss_sum(const Vector<double>& y, const Vector<double>& c, const Vector<double>& f) {
  double sum = 0;
  for (Index i = 0; i < f.size(); ++i) sum += c[i] * Loss::value(y[i] * f[i]);
  return sum;
}

/// a_i = -c_i l'(y_i f_i) >= 0: the gradient of the loss in f is -y a, and a is the natural dual point.
template <MarginLoss Loss>
void natural_dual(const Vector<double>& y, const Vector<double>& c, const Vector<double>& f,
                  Vector<double>& a) {
  a.resize(f.size());
  for (Index i = 0; i < f.size(); ++i) a[i] = c[i] * Loss::slope(y[i] * f[i]);
}

/// The shift s that minimises sum_i c_i l(y_i (f_i + s)): Newton's method on its increasing derivative, kept
/// inside a bracket. Exact up to rounding; for the squared hinge, piecewise quadratic, in a few steps.
template <MarginLoss Loss>
double best_shift(const Vector<double>& y, const Vector<double>& c, const Vector<double>& f) {
  double shift = 0, low = -1e300, high = 1e300;
  for (int step = 0; step < 100; ++step) {
    double slope = 0, curvature = 0, scale = 0;
    for (Index i = 0; i < f.size(); ++i) {
      const double z = y[i] * (f[i] + shift), a = c[i] * Loss::slope(z);
      slope -= y[i] * a;
      scale += a;
      curvature += c[i] * Loss::curvature(z);
    }
    if (std::abs(slope) <= 1e-15 * scale) break;
    (slope > 0 ? high : low) = shift;
    double next = shift - slope / std::max(curvature, 1e-300);
    // Beyond this size a step says no more than its direction.
    const double limit = 10 * (1 + std::abs(shift)) + 2 * std::abs(f[0]);
    next = std::clamp(next, shift - limit, shift + limit);
    if (!(next > low && next < high)) next = low + (high - low) / 2;
    if (next == shift || !(next > low && next < high)) break;
    shift = next;
  }
  return shift;
}

/// 1e-13 sum_i |x_ij| a_i: what rounding can do to x_j'(y a).
template <Design D>
double rounding_slack(ColumnReader<D>& reader, Index j, const Vector<double>& a) {
  double sum = 0;
  reader.for_each(j, [&](Index i, double x) { sum += std::abs(x) * a[i]; });
  return 1e-13 * sum;
}

/// Dual value of the best feasible point on the ray through `a` (changed in place: balanced when b is free).
/// Needs one pass over X; `correlations` receives X'(y a) of the balanced, unscaled point.
template <MarginLoss Loss, Design D>
double dual_value(const MarginProblem<D>& problem, ColumnReader<D>& reader, Vector<double>& a,
                  Vector<double>& correlations) {
  const Vector<double>& y = problem.y;
  if (problem.free_intercept) {
    double plus = 0, minus = 0;
    for (Index i = 0; i < a.size(); ++i) (y[i] > 0 ? plus : minus) += a[i];
    const double side = plus > minus ? 1 : -1;
    const double factor = plus > minus ? minus / plus : (minus > 0 ? plus / minus : 1);
    for (Index i = 0; i < a.size(); ++i)
      if (y[i] == side) a[i] *= factor;
  }
  const Vector<double> ya = y.cwiseProduct(a);
  correlations.resize(reader.cols());
  double largest = 0;
  for (Index j = 0; j < reader.cols(); ++j) {
    correlations[j] = reader.dot(j, ya);
    double magnitude = std::abs(correlations[j]);
    // A huge column cannot be orthogonal to ya beyond the rounding of its own products.
    if (magnitude > 1) magnitude = std::max(1.0, magnitude - rounding_slack(reader, j, a));
    largest = std::max(largest, magnitude);
  }
  const auto value_at = [&](double s) {
    double sum = 0;
    for (Index i = 0; i < a.size(); ++i)
      if (problem.c[i] > 0)
        sum -= problem.c[i] * Loss::conjugate(std::min(s * a[i] / problem.c[i], Loss::max_slope));
    return sum;
  };
  double s = largest > 0 ? 1 / largest : 1;
  if constexpr (Loss::max_slope > 1) {
    // Squared hinge: the value s sum a - s^2 sum a^2 / (4 c) has its maximum at `peak`.
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
  return value_at(s);
}

/// w and b are as good as the certificate says: recomputes f = Xw + b from scratch (with the best b when it
/// is free), then primal, dual and the relative gap. `best_dual` keeps the highest dual value seen;
/// `correlations` receives X'(y a), the slopes of the loss with the sign turned.
template <MarginLoss Loss, Design D>
Convergence certify(const MarginProblem<D>& problem, ColumnReader<D>& reader, MarginState& state, double tol,
                    double& best_dual, Vector<double>& correlations) {
  state.f.setConstant(problem.y.size(), state.intercept);
  for (Index j = 0; j < state.coef.size(); ++j)
    if (state.coef[j] != 0) reader.axpy(j, state.coef[j], state.f);
  if (problem.free_intercept) {
    const double shift = best_shift<Loss>(problem.y, problem.c, state.f);
    state.intercept += shift;
    state.f.array() += shift;
  }
  Vector<double> a;
  natural_dual<Loss>(problem.y, problem.c, state.f, a);
  Convergence result;
  result.objective = state.coef.template lpNorm<1>() + loss_sum<Loss>(problem.y, problem.c, state.f);
  best_dual = std::max(best_dual, dual_value<Loss>(problem, reader, a, correlations));
  const double gap = std::max(0.0, result.objective - best_dual);
  result.value = result.objective > 0 ? gap / result.objective : 0;
  result.tolerance = tol;
  if (result.value <= tol) result.status = Status::converged;
  return result;
}

}  // namespace sparse_experts::detail
