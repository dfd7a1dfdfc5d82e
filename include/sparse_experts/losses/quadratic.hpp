// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

namespace sparse_experts {

/// Weighted quadratic loss ½ Σ_i ω_i (y_i - z_i)² with Σ ω_i = 1; no weights means ω_i = 1/n.
/// All of it is written in r = y - z and in the weighted residual v = ω∘r, whose correlations with the
/// columns are minus the gradient of the loss.
struct QuadraticLoss {
  /// ½ r'v.
  static double value(const Vector<double>& r, const Vector<double>& v) { return 0.5 * r.dot(v); }

  /// Conjugate at -t v plus its linear term: the dual objective of the point t v without the penalty's part,
  /// t y'v - t²/2 r'v.
  static double dual(double t, double y_dot_v, double r_dot_v) { return t * y_dot_v - 0.5 * t * t * r_dot_v; }

  /// Curvature along a column of squared weighted norm s: s itself.
  static double curvature(double squared_norm) { return squared_norm; }
};

}  // namespace sparse_experts
