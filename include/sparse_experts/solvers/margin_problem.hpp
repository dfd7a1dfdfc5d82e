// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/losses/margin_loss.hpp>
#include <sparse_experts/solvers/margin_columns.hpp>
#include <sparse_experts/solvers/row_sample.hpp>

#include <algorithm>
#include <cmath>
#include <functional>

/// The problem that all margin solvers share:
///   min_{w, b} |w|_1 + sum_i c_i l(y_i (x_i'w + b)),   X: n x p, y in {-1, 1}^n, c >= 0
/// b is free (never penalised) or absent.
namespace sparse_experts::detail {

class GramStep;
class MarginScreening;

struct MarginProblem {
  const MarginColumns& x;
  Vector<double> y;     // -1 or 1
  Vector<double> c;     // cost of each sample: C times its weight
  bool free_intercept;  // b is a variable
  L1SVMLoss loss = L1SVMLoss::squared_hinge;
  int n_threads = 1;                  // of passes over X and of products
  const RowSample* sample = nullptr;  // of the rows, to start from
  GramStep* gram_step = nullptr;      // of the problem before on the same X
  MarginScreening* screening = nullptr;
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

inline double loss_sum(const MarginProblem& problem, const Vector<double>& f) {
  return with_loss(problem.loss, [&](auto loss) {
    double sum = 0;
    for (Index i = 0; i < f.size(); ++i) sum += problem.c[i] * loss.value(problem.y[i] * f[i]);
    return sum;
  });
}

/// a_i = -c_i l'(y_i f_i) >= 0: the gradient of the loss in f is -y a, and a is the natural dual point.
inline void natural_dual(const MarginProblem& problem, const Vector<double>& f, Vector<double>& a) {
  a.resize(f.size());
  with_loss(problem.loss, [&](auto loss) {
    for (Index i = 0; i < f.size(); ++i) a[i] = problem.c[i] * loss.slope(problem.y[i] * f[i]);
  });
}

/// c_i l''(y_i f_i)
inline void loss_curvature(const MarginProblem& problem, const Vector<double>& f, Vector<double>& curvature) {
  curvature.resize(f.size());
  with_loss(problem.loss, [&](auto loss) {
    for (Index i = 0; i < f.size(); ++i) curvature[i] = problem.c[i] * loss.curvature(problem.y[i] * f[i]);
  });
}

/// The shift s that minimises sum_i c_i l(y_i (f_i + s)): Newton's method on its increasing derivative, kept
/// inside a bracket. Exact up to rounding; for the squared hinge, piecewise quadratic, in a few steps.
inline double best_shift(const MarginProblem& problem, const Vector<double>& f) {
  return with_loss(problem.loss, [&](auto loss) {
    double shift = 0, low = -1e300, high = 1e300;
    for (int step = 0; step < 100; ++step) {
      double slope = 0, curvature = 0, scale = 0;
      for (Index i = 0; i < f.size(); ++i) {
        const double y = problem.y[i], z = y * (f[i] + shift), a = problem.c[i] * loss.slope(z);
        slope -= y * a;
        scale += a;
        curvature += problem.c[i] * loss.curvature(z);
      }
      if (std::abs(slope) <= 1e-15 * scale) break;
      (slope > 0 ? high : low) = shift;
      double next = shift - slope / std::max(curvature, 1e-300);
      // Beyond this size a step says no more than its direction.
      const double limit = 10 * (1 + std::abs(shift)) + 2 * std::abs(f[0]);
      next = std::clamp(next, shift - limit, shift + limit);
      // A step below rounding ends the search, before the bracket, which may still be open on one side.
      if (next == shift) break;
      if (!(next > low && next < high)) next = low + (high - low) / 2;
      if (!(next > low && next < high)) break;
      shift = next;
    }
    return shift;
  });
}

}  // namespace sparse_experts::detail
