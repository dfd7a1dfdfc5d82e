// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/losses/quadratic.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sparse_experts {

/// Primal value, best dual value seen for the problem, and the bound on the suboptimality that they give.
struct Certificate {
  double primal = 0;
  double dual = 0;
  double size = 0;  ///< of the terms that primal and dual are sums of, which sets their rounding

  /// primal - dual, never negative, plus what the rounding of both may hide: at least primal - optimum.
  double gap() const {
    const double rounding =
        4 * std::numeric_limits<double>::epsilon() * (std::abs(primal) + std::abs(dual) + size);
    return std::max(0.0, primal - dual) + rounding;
  }
};

/// Value of the penalty at w.
template <Penalty P>
double penalty_value(const P& penalty, const Vector<double>& w) {
  double sum = 0;
  for (Index j = 0; j < w.size(); ++j)
    if (w[j] != 0) sum += penalty.value(j, w[j]);
  return sum;
}

/// A feasible multiple of the weighted residual and the dual objective there.
struct DualPoint {
  double value = 0;
  double scale = 0;  ///< t
};

/// Dual objective of the elastic net at the best multiple t v of the weighted residual,
///   D(t) = t y'v - t²/2 r'v - Σ_j ω_j*(t c_j),
/// with c the correlations of v. Where l2_j = 0 the conjugate ω_j* is a box |c_j| t <= l1_j that bounds t
/// (one-sided for w >= 0); elsewhere it is finite, and t maximises the concave piecewise quadratic D. A
/// column that is not penalised asks for c_j = 0, which holds to rounding once w is exact along it (see
/// UnpenalizedBlock); what is left is charged with twice its weight.
/// Cost: O(p). Ref: Fercoq, Gramfort, Salmon, "Mind the duality gap", ICML 2015; for l2 > 0: the conjugate.
template <class = void>
DualPoint dual_point(const ElasticNetPenalty& penalty, const Vector<double>& w, const Vector<double>& norms,
                     const Vector<double>& c, double y_dot_v, double r_dot_v) {
  if (!(r_dot_v > 0)) return {};
  const Index p = w.size();
  const auto excess = [&](Index j) { return penalty.positive() ? std::max(0.0, c[j]) : std::abs(c[j]); };
  double largest = 1, charge = 0;  // t = 1 at the optimum; more would magnify rounding
  bool infeasible = false;
  for (Index j = 0; j < p; ++j) {
    const double size = excess(j);
    if (size == 0 || norms[j] == 0 || penalty.excluded(j) || penalty.l2(j) > 0) continue;
    const double l1 = penalty.l1(j);
    if (size <= l1) continue;  // t <= 1 anyway
    if (l1 > 0)
      largest = std::min(largest, l1 / size);
    else if (size <= 1e-13 * std::sqrt(norms[j] * y_dot_v))
      charge += 2 * size * std::abs(w[j]);
    else
      infeasible = true;
  }
  if (infeasible) return {};  // t = 0 is the only feasible multiple
  y_dot_v -= charge;
  double t = std::clamp(y_dot_v / r_dot_v, 0.0, largest);
  const auto conjugates = [&](double at) {
    double sum = 0;
    for (Index j = 0; j < p; ++j)
      if (penalty.l2(j) > 0 && norms[j] > 0) sum += penalty.conjugate(j, at * c[j]);
    return sum;
  };
  bool finite_conjugates = false;
  for (Index j = 0; j < p && !finite_conjugates; ++j) finite_conjugates = penalty.l2(j) > 0;
  if (!finite_conjugates) {
    const double value = QuadraticLoss::dual(t, y_dot_v, r_dot_v);
    return value > 0 ? DualPoint{value, t} : DualPoint{};
  }

  // Newton's method on D'(t), which is decreasing and piecewise linear.
  DualPoint best;
  for (int step = 0; step < 20; ++step) {
    const double value = QuadraticLoss::dual(t, y_dot_v, r_dot_v) - conjugates(t);
    if (value > best.value) best = {value, t};
    double slope = y_dot_v - t * r_dot_v, curvature = r_dot_v;
    for (Index j = 0; j < p; ++j) {
      const double size = excess(j), l2 = penalty.l2(j);
      if (l2 > 0 && norms[j] > 0 && t * size > penalty.l1(j)) {
        slope -= (t * size - penalty.l1(j)) * size / l2;
        curvature += size * size / l2;
      }
    }
    const double next = std::clamp(t + slope / curvature, 0.0, largest);
    if (std::abs(next - t) <= 1e-15 * t) break;
    t = next;
  }
  return best;
}

}  // namespace sparse_experts
