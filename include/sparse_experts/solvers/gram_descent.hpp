// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/support_newton.hpp>

#include <algorithm>
#include <cmath>

namespace sparse_experts {

namespace detail {

/// Whether a column violates its optimality condition by more than `tol` times its length; `worst` grows to
/// the largest violation in that unit. Columns of all sizes are held to the same standard.
template <class = void>
bool violated(const GramProgram& q, const Vector<double>& length, double tol, double& worst) {
  bool any = false;
  for (Index j = 0; j < q.size(); ++j) {
    const double g = q.gradient[j];
    const double excess = q.w[j] != 0 ? std::abs(g - q.l2[j] * q.w[j] - std::copysign(q.l1[j], q.w[j]))
                                      : (q.positive ? g : std::abs(g)) - q.l1[j];
    if (!(excess > 0)) continue;
    any = any || excess > tol * length[j];
    if (length[j] > 0) worst = std::max(worst, excess / length[j]);
  }
  return any;
}

/// One sweep of coordinate descent with covariance updates: a weight that moves costs one column of the Gram,
/// one that stays costs nothing. The gradient follows at once within a block of weights, and elsewhere once
/// the block is done, several columns at a time. Returns how many weights entered or left the support.
template <class = void>
Index gram_sweep(GramProgram& q, int n_threads) {
  constexpr Index block = 64;
  const Index m = q.size();
  double* g = q.gradient.data();
  Index changes = 0;
  std::vector<Index> moved;
  std::vector<double> delta_of(static_cast<std::size_t>(block));
  for (Index begin = 0; begin < m; begin += block) {
    const Index end = std::min(m, begin + block);
    moved.clear();
    for (Index j = begin; j < end; ++j) {
      const double w = q.w[j], l1 = q.l1[j];
      if (w == 0 && std::abs(g[j]) <= l1) continue;
      const double norm = q.gram(j, j), z = g[j] + norm * w, shrunk = std::abs(z) - l1,
                   divisor = norm + q.l2[j];
      double next = 0;
      if (shrunk > 0 && divisor > 0 && !(q.positive && z < 0)) next = std::copysign(shrunk / divisor, z);
      const double delta = next - w;
      if (delta == 0) continue;
      q.w[j] = next;
      changes += (w == 0) != (next == 0);
      const double* column = q.gram.col(j).data();
      for (Index i = begin; i < end; ++i) g[i] -= delta * column[i];
      delta_of[static_cast<std::size_t>(j - begin)] = delta;
      moved.push_back(j);
    }
    if (moved.empty()) continue;
    const auto step = [&](Index j) { return delta_of[static_cast<std::size_t>(j - begin)]; };
    const Index work = m * static_cast<Index>(moved.size());
    parallel_blocks(m, 512, work < 400000 ? 1 : n_threads, [&](const Block& rows) {
      const Index head = std::min(rows.end, begin), tail = std::max(rows.begin, end);
      if (rows.begin < head) subtract_columns(q, moved, step, rows.begin, head - rows.begin);
      if (tail < rows.end) subtract_columns(q, moved, step, tail, rows.end - tail);
    });
  }
  return changes;
}

}  // namespace detail

/// Solves a GramProgram: sweeps of coordinate descent find the support, Newton steps solve on it, until no
/// column violates its optimality condition by more than `tol` times its length. Ref: covariance updates:
/// Friedman, Hastie, Tibshirani, JSS 2010, sec. 2.2. Returns the number of sweeps.
template <class = void>
Index gram_descent(GramProgram& q, SupportNewton& newton, double tol, Index max_sweeps) {
  Vector<double> length;
  length.resize(q.size());
  for (Index j = 0; j < q.size(); ++j) length[j] = std::sqrt(q.gram(j, j));
  Index sweeps = 0;
  double last = -1;
  int stuck = 0;
  while (sweeps < max_sweeps) {
    // A Newton step pays once the support has nearly settled.
    for (int k = 0; k < 30 && sweeps < max_sweeps; ++k) {
      ++sweeps;
      if (detail::gram_sweep(q, newton.n_threads()) * 500 <= q.size()) break;
    }
    newton.minimise(q, 200);
    double worst = 0;
    if (!detail::violated(q, length, tol, worst)) break;
    // Near rounding the violations stop falling; a few more rounds cannot help.
    stuck = last >= 0 && worst >= 0.9 * last ? stuck + 1 : 0;
    if (stuck >= 50) break;
    last = last < 0 ? worst : std::min(last, worst);
  }
  return sweeps;
}

}  // namespace sparse_experts
