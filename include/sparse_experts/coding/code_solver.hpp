// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/coding/active_set_code.hpp>
#include <sparse_experts/coding/coordinate_code.hpp>
#include <sparse_experts/coding/gram_code.hpp>
#include <sparse_experts/coding/homotopy_code.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <cstddef>

namespace sparse_experts {

enum class SparseCoderAlgorithm {
  automatic,           ///< active_set; coordinate_descent where a support outgrows 1024 atoms
  coordinate_descent,  ///< cyclic coordinate descent on the Gram with active lists
  active_set,          ///< feature-sign search: exact in about as many steps as the code has non-zeros
  homotopy             ///< LARS with drops: exact, follows the solution from alpha_max down to alpha
};

namespace detail {

/// Buffers of solve_code.
template <class Scalar>
struct CodeWorkspace {
  CodeWorkspace() = default;
  CodeWorkspace(Index k, Index rank)
      : state(k, padded_to_panels<Scalar>(k)),
        coordinate(k),
        active_set(std::min<Index>(1024, rank)),
        homotopy(padded_to_panels<Scalar>(k)) {}
  CodeState<Scalar> state;
  CoordinateWorkspace<Scalar> coordinate;
  ActiveSetWorkspace<Scalar> active_set;
  HomotopyWorkspace<Scalar> homotopy;
};

/// One code by the chosen algorithm, left in work.state. Where rounding ends the exact ones early, or leaves
/// a code that is worse than none, coordinate descent goes on if `mend`, since it cannot lose its way.
template <class Scalar>
Convergence solve_code(const CodeProblem<Scalar>& problem, SparseCoderAlgorithm algorithm, bool mend,
                       const Scalar* c, double squared_norm, CodeWorkspace<Scalar>& work) {
  if (algorithm == SparseCoderAlgorithm::coordinate_descent)
    return coordinate_code(problem, c, squared_norm, work.coordinate, work.state);
  const Convergence exact =
      algorithm == SparseCoderAlgorithm::homotopy
          ? homotopy_code(problem, c, squared_norm, work.active_set, work.homotopy, work.state)
          : active_set_code(problem, c, squared_norm, work.active_set, work.state);
  if (exact.status == Status::converged) return exact;
  const bool outgrown = exact.status == Status::max_iter && exact.n_iter < problem.max_iter;
  const bool lost = !outgrown && !(exact.objective <= 0.5 * squared_norm);
  if (!outgrown && !lost && !mend) return exact;
  // Coordinate descent comes near, the active set finishes from there; if it cannot, coordinate descent does.
  constexpr Index burst = 100;
  CodeProblem<Scalar> rest = problem;
  Index used = exact.n_iter;
  const auto descend = [&](Index most, bool warm) {
    rest.max_iter = std::min(most, problem.max_iter - used);
    Convergence result = coordinate_code(rest, c, squared_norm, work.coordinate, work.state, warm);
    used += result.n_iter;
    result.n_iter = used;
    return result;
  };
  const Convergence near = descend(burst, !lost);
  if (near.status != Status::max_iter || used >= problem.max_iter) return near;
  bool finish = work.state.size <= work.active_set.inverse.capacity();
  if (finish) {
    rest.max_iter = problem.max_iter - used;
    Convergence result = active_set_code(rest, c, squared_norm, work.active_set, work.state, true);
    used += result.n_iter;
    result.n_iter = used;
    if (result.status == Status::converged) return result;
    finish = result.objective <= near.objective;
    if (finish && used >= problem.max_iter) return result;
  }
  return descend(problem.max_iter, finish);
}

}  // namespace detail

}  // namespace sparse_experts
