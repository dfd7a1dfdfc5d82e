// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/margin_problem.hpp>

#include <cmath>

namespace sparse_experts::detail {

/// A point of the line w + t d, f + t df and the objective there.
struct LinePoint {
  double t = 0;
  double value = 0;  // |w + t d|_1 + sum c_i l(y_i (f_i + t df_i))
  double slope = 0;  // its right derivative
};

inline LinePoint evaluate_line(const MarginProblem& problem, double t, const Vector<double>& w,
                               const Vector<double>& d, const Vector<double>& f, const Vector<double>& df) {
  LinePoint point{t, 0, 0};
  for (Index j = 0; j < w.size(); ++j) {
    const double at = w[j] + t * d[j];
    point.value += std::abs(at);
    point.slope += at > 0 ? d[j] : at < 0 ? -d[j] : std::abs(d[j]);
  }
  with_loss(problem.loss, [&](auto loss) {
    double value = 0, slope = 0;
    for (Index i = 0; i < f.size(); ++i) {
      const double y = problem.y[i], c = problem.c[i], z = y * (f[i] + t * df[i]);
      value += c * loss.value(z);
      slope -= c * y * df[i] * loss.slope(z);
    }
    point.value += value;
    point.slope += slope;
  });
  return point;
}

/// Step length in (0, 1]: 1 when the objective still falls there or has fallen by a quarter of `promise`
/// (< 0), else the minimum of the convex function between, by regula falsi on its slope (Illinois rule).
inline LinePoint search_line(const MarginProblem& problem, double value_at_0, double promise,
                             const Vector<double>& w, const Vector<double>& d, const Vector<double>& f,
                             const Vector<double>& df) {
  const auto at = [&](double t) { return evaluate_line(problem, t, w, d, f, df); };
  const LinePoint one = at(1);
  if (one.slope <= 0 || one.value <= value_at_0 + 0.25 * promise) return one;
  LinePoint low = at(0), high = one, best = one;
  double low_slope = low.slope, high_slope = high.slope;
  if (low_slope >= 0) return {0, value_at_0, low_slope};
  for (int step = 0; step < 30 && high.t - low.t > 1e-3 * high.t; ++step) {
    const LinePoint middle = at(low.t - low_slope * (high.t - low.t) / (high_slope - low_slope));
    if (middle.value < best.value) best = middle;
    if (std::abs(middle.slope) <= 1e-2 * std::abs(low.slope)) break;
    if (middle.slope < 0) {
      low = middle;
      low_slope = middle.slope;
      high_slope /= 2;
    } else {
      high = middle;
      high_slope = middle.slope;
      low_slope /= 2;
    }
  }
  return best;
}

}  // namespace sparse_experts::detail
