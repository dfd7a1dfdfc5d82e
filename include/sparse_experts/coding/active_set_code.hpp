// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/active_set_steps.hpp>
#include <sparse_experts/coding/gram_code.hpp>
#include <sparse_experts/coding/support_inverse.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace sparse_experts::detail {

/// Active set method on the Gram (feature-sign search with one atom at a time). From s = 0, repeat:
///   add the atom with the largest |g_j| > alpha; move to the minimiser on the support; whenever a value
///   reaches zero on the way, drop its atom and go on from there; recompute g = c - G s.
/// Each step lowers the objective and supports never return, so it ends, exactly up to rounding, after about
/// as many steps as the code has non-zeros. It stops early when the gap is at most tol. In: c = D x, |x|^2.
/// Out: state (support, values, g), n_iter = atoms added and dropped <= max_iter. When the support outgrows
/// the workspace the status is max_iter with n_iter < max_iter, and the code so far is in state. Cost of a
/// step: k |A| for g and |A|^2 for the inverse. `warm` starts from the code in state instead of zero. Ref:
/// Lee, Battle, Raina, Ng, "Efficient sparse coding algorithms", NIPS 2006, alg. 1.
template <class Scalar>
Convergence active_set_code(const CodeProblem<Scalar>& problem, const Scalar* c, double squared_norm,
                            ActiveSetWorkspace<Scalar>& work, CodeState<Scalar>& state, bool warm = false) {
  constexpr Scalar eps = std::numeric_limits<Scalar>::epsilon();
  // Violators below this share of the largest wait for the next look at g: most of them vanish by themselves.
  constexpr auto share_of_peak = Scalar(0.7);
  const auto alpha = static_cast<Scalar>(problem.alpha);
  const bool positive = problem.positive;
  SupportInverse<Scalar>& inverse = work.inverse;
  Scalar* value = state.value.data();
  Scalar* sign = work.sign.data();
  int* support = state.support.data();
  Convergence result{Status::max_iter, 0, problem.tol, 0, 0};
  inverse.clear();
  if (!warm) state.size = 0;
  int refinements = 0, rebuilds = 0;
  constexpr int most_rebuilds = 8;
  Scalar start_peak = 0;
  bool full = false;
  bool fragile = false;  // nearly dependent atoms have been in the support: its g may drift off alpha sign

  const auto drop = [&](Index r) {
    inverse.remove(r);
    const Index last = --state.size;
    value[r] = value[last];
    sign[r] = sign[last];
    support[r] = support[last];
    value[last] = sign[last] = 0;
    ++result.n_iter;
  };
  if (warm && state.size > inverse.capacity()) {
    result.n_iter = 0;
    return result;
  }
  // Moves to the minimiser on the support with an inverse made anew; values that reach zero on the way leave.
  const auto settle = [&] {
    rebuild_support(problem, work, state);
    while (state.size > 0) {
      residual_correlations(problem, c, state);
      newton_step(alpha, state, work);
      Index blocked = -1;
      move_code(work.correction.data(), Scalar(1), sign, value, state.size, blocked);
      if (blocked < 0) break;
      drop(blocked);
      if (result.n_iter >= problem.max_iter) break;
    }
  };
  if (warm) {
    for (Index i = 0; i < state.size; ++i) sign[i] = value[i] < 0 ? Scalar(-1) : Scalar(1);
    settle();
  }
  const auto position = [&](int j) {
    return static_cast<Index>(std::find(support, support + state.size, j) - support);
  };

  // Adds atom j, whose g_j is out of bounds, and moves to the minimiser on the support. False: nothing to
  // gain.
  const auto add = [&](int j, Scalar gj) {
    const Scalar tilt = gj < 0 ? Scalar(-1) : Scalar(1), diagonal = problem.diagonal(j);
    Scalar start = 0, complement = inverse.prepare(diagonal);
    while (state.size == problem.rank || !(complement > 1000 * eps * diagonal)) {
      // The atom lies in the span of the support: exchanging it for others costs no curvature and lowers
      // |s|_1, until one of them reaches zero.
      const Scalar* u = inverse.solved();
      Index first = -1;
      Scalar step = 0;
      for (Index i = 0; i < state.size; ++i) {
        const Scalar fall = tilt * u[i] * sign[i];
        if (fall > 0 && (first < 0 || value[i] * sign[i] < step * fall)) {
          first = i;
          step = value[i] * sign[i] / fall;
        }
      }
      if (first < 0) return false;
      for (Index i = 0; i < state.size; ++i) value[i] -= step * tilt * u[i];
      start += step * tilt;
      drop(first);
      inverse.gather(problem, support, value, j);
      complement = inverse.prepare(diagonal);
    }
    if (state.size == inverse.capacity()) {
      full = true;
      return false;
    }
    fragile |= complement < Scalar(0.01) * diagonal;
    // All g of the support are optimal but that of the new entry, which differs by `excess`.
    Index at = state.size++;
    support[at] = j;
    sign[at] = tilt;
    value[at] = start;
    inverse.add(complement);
    ++result.n_iter;
    Scalar excess = gj - alpha * tilt;
    while (true) {
      Index blocked = -1;
      const Scalar share = move_code(inverse.row(at), excess, sign, value, state.size, blocked);
      if (blocked < 0) return true;
      if (result.n_iter >= problem.max_iter) {
        value[blocked] = 0;
        return true;
      }
      excess *= 1 - share;
      const Index last = state.size - 1;
      drop(blocked);
      if (at == last) at = blocked;
    }
  };

  while (true) {
    Peaks<Scalar> peaks = residual_correlations(problem, c, state);
    const std::size_t top = peaks.largest();
    const Scalar peak = peaks.value[top];
    start_peak = start_peak > 0 ? start_peak : peak;
    if (fragile && rebuilds < most_rebuilds) {
      Scalar drift = 0;
      for (Index i = 0; i < state.size; ++i)
        drift = std::max(drift, std::abs(state.g[support[i]] - alpha * sign[i]));
      if (drift > Scalar(0.01) * alpha + 64 * eps * start_peak) {
        ++rebuilds;
        settle();
        continue;
      }
    }
    // With g optimal on the support the gap is at least alpha |s|_1 (1 - alpha / peak): mostly that settles
    // it.
    Scalar l1 = 0;
    for (Index i = 0; i < state.size; ++i) l1 += std::abs(value[i]);
    if (state.size == 0 || result.n_iter >= problem.max_iter ||
        static_cast<double>(l1 * (peak - alpha)) * problem.alpha <=
            problem.tol * squared_norm * static_cast<double>(peak)) {
      const CodeCertificate now = certificate(problem, c, state, static_cast<double>(peak), squared_norm);
      result.value = now.value;
      result.objective = now.objective;
      if (now.value <= problem.tol) {
        result.status = Status::converged;
        return result;
      }
      if (result.n_iter >= problem.max_iter) return result;
    }

    bool moved = false;
    if (peak > alpha * (1 + 4 * eps) &&
        (peak > alpha * Scalar(1.001) || position(peaks.index[top]) == state.size)) {
      // The peak of each lane is a candidate, the largest first, as long as it is a violator when its turn
      // comes.
      const Scalar bound = std::max(alpha * (1 + 4 * eps), share_of_peak * peak);
      for (std::size_t lane = top; peaks.value[lane] > bound; lane = peaks.largest()) {
        const int j = peaks.index[lane];
        peaks.value[lane] = 0;
        if (full || result.n_iter >= problem.max_iter) break;
        const Scalar gj = c[j] - inverse.gather(problem, support, value, j);
        if (!((positive ? gj : std::abs(gj)) > bound)) continue;
        if (position(j) < state.size || !add(j, gj)) continue;
        moved = true;
      }
      if (full) return result;
    }
    if (!moved) {
      // Only rounding is left: correct the values once or twice, then with an inverse made anew, then stop.
      if (refinements == 2 && rebuilds < most_rebuilds) {
        rebuilds = most_rebuilds;
        refinements = 0;
        settle();
        continue;
      }
      if (refinements++ == 2 || state.size == 0) {
        const CodeCertificate now = certificate(problem, c, state, static_cast<double>(peak), squared_norm);
        result = {Status::stalled, now.value, problem.tol, now.objective, result.n_iter};
        return result;
      }
      refine_code(alpha, state, work);
    }
  }
}

}  // namespace sparse_experts::detail
