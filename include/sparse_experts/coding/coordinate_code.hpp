// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/gram_code.hpp>
#include <sparse_experts/coding/simd.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>

#include <cmath>
#include <vector>

namespace sparse_experts::detail {

/// Buffers of coordinate_code.
template <class Scalar>
struct CoordinateWorkspace {
  explicit CoordinateWorkspace(Index k = 0) : s(Vector<Scalar>::Zero(k)), list(static_cast<std::size_t>(k)) {}
  Vector<Scalar> s;       // dense code
  std::vector<int> list;  // coordinates that sweeps visit
};

/// Cyclic coordinate descent on the Gram with active lists.
///   s_j <- soft(g_j + G_jj s_j, alpha) / G_jj,   g <- g - (change of s_j) G_j
/// Sweeps visit the support and the coordinates that violated |g_j| <= alpha when the list was made; the list
/// is made anew when a sweep lowers the objective by less than a tenth of the tolerance, or after ten sweeps.
/// In: c = D x, |x|^2, with `warm` the code in state. Out: state (support, values, g), n_iter = sweeps <=
/// max_iter. Cost: k per changed coordinate. Ref: Friedman, Hastie, Tibshirani, JSS 2010, sec. 2.2
/// (covariance updates).
template <class Scalar>
Convergence coordinate_code(const CodeProblem<Scalar>& problem, const Scalar* c, double squared_norm,
                            CoordinateWorkspace<Scalar>& work, CodeState<Scalar>& state, bool warm = false) {
  constexpr Index w = lane_width<Scalar>;
  const auto alpha = static_cast<Scalar>(problem.alpha);
  const bool positive = problem.positive;
  Scalar* g = state.g.data();
  work.s.setZero();
  if (!warm) state.size = 0;
  for (Index i = 0; i < state.size; ++i) work.s[state.support[static_cast<std::size_t>(i)]] = state.value[i];
  Peaks<Scalar> peaks = residual_correlations(problem, c, state);
  Convergence result{Status::max_iter, 0, problem.tol, 0, 0};
  bool moved = true;
  while (true) {
    const CodeCertificate now =
        certificate(problem, c, state, static_cast<double>(peaks.value[peaks.largest()]), squared_norm);
    result.value = now.value;
    result.objective = now.objective;
    if (now.value <= problem.tol)
      result.status = Status::converged;
    else if (!moved)
      result.status = Status::stalled;
    if (result.status != Status::max_iter || result.n_iter >= problem.max_iter) return result;

    Index listed = 0;
    for (Index j = 0; j < problem.k; ++j) {
      const Scalar size = positive ? g[j] : std::abs(g[j]);
      if ((size > alpha || work.s[j] != Scalar(0)) && problem.diagonal(j) > Scalar(0))
        work.list[static_cast<std::size_t>(listed++)] = static_cast<int>(j);
    }
    moved = false;
    for (int sweep = 0; sweep < 10 && result.n_iter < problem.max_iter; ++sweep) {
      double decrease = 0;
      for (Index i = 0; i < listed; ++i) {
        const Index j = work.list[static_cast<std::size_t>(i)];
        const Scalar curvature = problem.diagonal(j), before = work.s[j], rho = g[j] + curvature * before;
        Scalar after = rho > alpha ? (rho - alpha) / curvature : Scalar(0);
        if (!positive && rho < -alpha) after = (rho + alpha) / curvature;
        const Scalar change = after - before;
        if (change == Scalar(0)) continue;
        work.s[j] = after;
        const Scalar* row = problem.row(j);
        for (Index q = 0; q < problem.stride; q += w) lanes(g + q) -= change * lanes(row + q);
        decrease +=
            0.5 * static_cast<double>(curvature) * static_cast<double>(change) * static_cast<double>(change);
      }
      ++result.n_iter;
      if (decrease > 0) moved = true;
      if (decrease <= 0.1 * problem.tol * 0.5 * squared_norm) break;
    }
    state.size = 0;
    for (Index i = 0; i < listed; ++i) {
      const int j = work.list[static_cast<std::size_t>(i)];
      if (work.s[j] == Scalar(0)) continue;
      state.support[static_cast<std::size_t>(state.size)] = j;
      state.value[state.size++] = work.s[j];
    }
    peaks = residual_correlations(problem, c, state);
  }
}

}  // namespace sparse_experts::detail
