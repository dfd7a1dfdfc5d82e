// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/gram_code.hpp>
#include <sparse_experts/coding/simd.hpp>
#include <sparse_experts/coding/support_inverse.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace sparse_experts::detail {

/// Buffers of active_set_code.
template <class Scalar>
struct ActiveSetWorkspace {
  explicit ActiveSetWorkspace(Index capacity = 0)
      : inverse(capacity),
        sign(Vector<Scalar>::Zero(padded_to_panels<Scalar>(capacity))),
        correction(Vector<Scalar>::Zero(padded_to_panels<Scalar>(capacity))) {}
  SupportInverse<Scalar> inverse;
  Vector<Scalar> sign;  // of the support
  Vector<Scalar> correction;
};

/// Moves from s along step * direction (padded like P) until a value of the support changes its sign. Returns
/// the share of the step that was made and, in `blocked`, the entry that became zero (-1: none).
template <class Scalar>
Scalar move_code(const Scalar* direction, Scalar step, const Scalar* sign, Scalar* value, Index size,
                 Index& blocked) {
  using Vec = typename Lanes<Scalar>::Type;
  using Mask = typename Lanes<Scalar>::Mask;
  constexpr Index w = lane_width<Scalar>;
  blocked = -1;
  Mask crossed{};
  for (Index q = 0; q < size; q += w) {
    const Vec next = lanes(value + q) + step * lanes(direction + q);
    crossed |= (next * lanes(sign + q)) < 0;
  }
  bool any = false;
  for (Index lane = 0; lane < w; ++lane) any |= crossed[lane] != 0;
  Scalar share = 1;
  if (any) {
    for (Index i = 0; i < size; ++i) {
      const Scalar change = step * direction[i];
      if ((value[i] + change) * sign[i] >= 0) continue;
      const Scalar until = -value[i] / change;
      if (blocked < 0 || until < share) {
        share = std::max(Scalar(0), until);
        blocked = i;
      }
    }
  }
  const Scalar made = share * step;
  for (Index q = 0; q < size; q += w) lanes(value + q) += made * lanes(direction + q);
  return share;
}

/// correction = P (g_A - alpha sign), the step of Newton's method on the support; zeros beyond it.
template <class Scalar>
void newton_step(Scalar alpha, const CodeState<Scalar>& state, ActiveSetWorkspace<Scalar>& work) {
  const Scalar* sign = work.sign.data();
  for (Index i = 0; i < state.size; ++i) {
    const Scalar* row = work.inverse.row(i);
    Scalar sum = 0;
    for (Index q = 0; q < state.size; ++q)
      sum += row[q] * (state.g[state.support[static_cast<std::size_t>(q)]] - alpha * sign[q]);
    work.correction[i] = sum;
  }
  for (Index i = state.size; i % lane_width<Scalar> != 0; ++i) work.correction[i] = 0;
}

/// s_A <- s_A + P (g_A - alpha sign) against rounding; entries that would change their sign become zero.
template <class Scalar>
void refine_code(Scalar alpha, CodeState<Scalar>& state, ActiveSetWorkspace<Scalar>& work) {
  newton_step(alpha, state, work);
  for (Index i = 0; i < state.size; ++i) {
    const Scalar corrected = state.value[i] + work.correction[i];
    state.value[i] = corrected * work.sign[i] > 0 ? corrected : Scalar(0);
  }
}

/// Makes the inverse anew on the support; entries of value zero and those in the span of others leave it.
template <class Scalar>
void rebuild_support(const CodeProblem<Scalar>& problem, ActiveSetWorkspace<Scalar>& work,
                     CodeState<Scalar>& state) {
  constexpr Scalar eps = std::numeric_limits<Scalar>::epsilon();
  Scalar* value = state.value.data();
  Scalar* sign = work.sign.data();
  const Index before = state.size;
  Index kept = 0;
  work.inverse.clear();
  for (Index i = 0; i < before; ++i) {
    const int j = state.support[static_cast<std::size_t>(i)];
    const Scalar v = value[i], s = sign[i], diagonal = problem.diagonal(j);
    if (v == Scalar(0)) continue;
    work.inverse.gather(problem, state.support.data(), value, j);
    const Scalar complement = work.inverse.prepare(diagonal);
    if (!(complement > 1000 * eps * diagonal)) continue;
    work.inverse.add(complement);
    state.support[static_cast<std::size_t>(kept)] = j;
    value[kept] = v;
    sign[kept++] = s;
  }
  for (Index i = kept; i < before; ++i) value[i] = sign[i] = 0;
  state.size = kept;
}

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
  bool full = false;

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
  if (warm) {
    for (Index i = 0; i < state.size; ++i) sign[i] = value[i] < 0 ? Scalar(-1) : Scalar(1);
    rebuild_support(problem, work, state);
    while (state.size > 0 && result.n_iter < problem.max_iter) {
      residual_correlations(problem, c, state);
      newton_step(alpha, state, work);
      Index blocked = -1;
      move_code(work.correction.data(), Scalar(1), sign, value, state.size, blocked);
      if (blocked < 0) break;
      drop(blocked);
    }
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
      if (refinements == 2 && rebuilds < 2) {
        ++rebuilds;
        refinements = 0;
        rebuild_support(problem, work, state);
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
