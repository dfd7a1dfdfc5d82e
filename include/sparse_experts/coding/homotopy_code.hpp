// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/active_set_code.hpp>
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

/// Buffers of homotopy_code.
template <class Scalar>
struct HomotopyWorkspace {
  explicit HomotopyWorkspace(Index padded = 0)
      : slope(Vector<Scalar>::Zero(padded)), direction(Vector<Scalar>::Zero(padded)) {}
  Vector<Scalar> slope;      // how fast g falls while the level falls by one: G_A direction
  Vector<Scalar> direction;  // how fast the values of the support grow: P sign
};

/// Homotopy (LARS with the Lasso's drops) on the Gram: follows the exact solution s(level) from level = max_j
/// |c_j|, where s = 0, down to level = alpha. Along a piece s_A moves by P sign and |g_A| = level; a piece
/// ends where an atom outside reaches |g_j| = level and enters, where a value reaches zero and leaves, or at
/// alpha. In: c = D x, |x|^2, the active set's buffers. Out: state (support, values, g), n_iter = pieces <=
/// max_iter. The level itself is a certificate on the way, so a bounded solve is the exact code of a larger
/// alpha. Status as active_set_code. Cost of a piece: k |A|. Ref: Osborne, Presnell, Turlach, IMA J. Numer.
/// Anal. 2000; Efron, Hastie, Johnstone, Tibshirani, Ann. Stat. 2004.
template <class Scalar>
Convergence homotopy_code(const CodeProblem<Scalar>& problem, const Scalar* c, double squared_norm,
                          ActiveSetWorkspace<Scalar>& work, HomotopyWorkspace<Scalar>& homotopy,
                          CodeState<Scalar>& state) {
  constexpr Scalar eps = std::numeric_limits<Scalar>::epsilon();
  const auto alpha = static_cast<Scalar>(problem.alpha);
  const bool positive = problem.positive;
  SupportInverse<Scalar>& inverse = work.inverse;
  Scalar* value = state.value.data();
  Scalar* sign = work.sign.data();
  Scalar* direction = homotopy.direction.data();
  int* support = state.support.data();
  Convergence result{Status::max_iter, 0, problem.tol, 0, 0};
  inverse.clear();
  state.size = 0;

  Peaks<Scalar> peaks = residual_correlations(problem, c, state);
  std::size_t top = peaks.largest();
  Scalar level = peaks.value[top];
  int entering = level > alpha ? peaks.index[top] : -1, left = -1;
  bool broken = false;  // rounding has overtaken the path: the active set method goes on from scratch
  while (level > alpha && result.n_iter < problem.max_iter) {
    if (entering >= 0) {
      inverse.gather(problem, support, value, entering);
      const Scalar complement = inverse.prepare(problem.diagonal(entering));
      if (state.size == inverse.capacity() || !(complement > 1000 * eps * problem.diagonal(entering))) {
        broken = true;
        break;
      }
      const Index t = state.size++;
      support[t] = entering;
      sign[t] = state.g[entering] < 0 ? Scalar(-1) : Scalar(1);
      value[t] = 0;
      inverse.add(complement);
    }
    for (Index i = 0; i < state.size; ++i) {
      const Scalar* row = inverse.row(i);
      direction[i] = 0;
      for (Index q = 0; q < state.size; ++q) direction[i] += row[q] * sign[q];
    }
    // slope = G_A direction: one pass over the rows of the support, as for g.
    homotopy.slope.setZero();
    for (Index i = 0; i < state.size; ++i) {
      const Scalar* row = problem.row(support[i]);
      for (Index q = 0; q < problem.stride; q += lane_width<Scalar>)
        lanes(homotopy.slope.data() + q) += direction[i] * lanes(row + q);
    }
    // The first event on the way down.
    Scalar step = level - alpha;
    int next = -1;
    Index leaving = -1;
    for (Index i = 0; i < state.size; ++i)
      if (direction[i] * sign[i] < 0 && value[i] + step * direction[i] != value[i]) {
        const Scalar until = -value[i] / direction[i];
        if (until < step && until >= 0) {
          step = until;
          leaving = i;
        }
      }
    for (Index j = 0; j < problem.k; ++j) {
      const Scalar g = state.g.data()[j], slope = homotopy.slope.data()[j];
      // g - step slope meets level - step, or its negative: only where it does so before the nearest event so
      // far.
      if (!(g - step * slope > level - step) && (positive || !(-g + step * slope > level - step))) continue;
      if (j == left || std::find(support, support + state.size, static_cast<int>(j)) != support + state.size)
        continue;
      const bool upper = g - step * slope > level - step;
      const Scalar until = std::max(Scalar(0), upper ? (level - g) / (1 - slope) : (level + g) / (1 + slope));
      if (until < step) {
        step = until;
        next = static_cast<int>(j);
        leaving = -1;
      }
    }
    for (Index i = 0; i < state.size; ++i) value[i] += step * direction[i];
    level -= step;
    ++result.n_iter;
    left = -1;
    if (leaving >= 0) {
      left = support[leaving];
      inverse.remove(leaving);
      const Index last = --state.size;
      value[leaving] = value[last];
      sign[leaving] = sign[last];
      support[leaving] = support[last];
    }
    residual_correlations(problem, c, state);
    entering = next;
    if (next < 0 && leaving < 0) break;
  }

  peaks = residual_correlations(problem, c, state);
  const CodeCertificate now =
      certificate(problem, c, state, static_cast<double>(peaks.value[peaks.largest()]), squared_norm);
  result.value = now.value;
  result.objective = now.objective;
  if (now.value <= problem.tol) {
    result.status = Status::converged;
    return result;
  }
  if (!broken && result.n_iter >= problem.max_iter) return result;
  CodeProblem<Scalar> rest = problem;
  rest.max_iter = std::max<Index>(1, problem.max_iter - result.n_iter);
  Convergence finished = active_set_code(rest, c, squared_norm, work, state);
  finished.n_iter = std::min(problem.max_iter, finished.n_iter + result.n_iter);
  return finished;
}

}  // namespace sparse_experts::detail
