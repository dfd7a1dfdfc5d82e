// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/gram_code.hpp>
#include <sparse_experts/coding/simd.hpp>
#include <sparse_experts/coding/support_inverse.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
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

}  // namespace sparse_experts::detail
