// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/random.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/evaluation.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace sparse_experts {

namespace detail {

/// Correlations of the residual at w.
template <Design D>
void correlations_at(const RegressionProblem<D>& problem, const Vector<double>& w, Vector<double>& c) {
  problem.correlations(problem.weighted(problem.residual(w)), c);
}

/// Upper estimate of the largest eigenvalue of X̃'ΩX̃ by power iteration: correlations are affine in w.
template <Design D>
double lipschitz(const RegressionProblem<D>& problem) {
  Vector<double> c0, c, x = problem.squared_norm();
  // A start of equal entries can be an eigenvector of a smaller eigenvalue (two standardised columns).
  Random random(0);
  for (Index j = 0; j < x.size(); ++j) x[j] = std::sqrt(x[j]) * random.uniform(-1, 1);
  fill(c, problem.cols(), 0.0);
  correlations_at(problem, c, c0);
  double value = 0;
  double length = std::sqrt(squared_length(x.data(), x.size()));
  for (int k = 0; k < 20 && length > 0; ++k) {
    for (Index j = 0; j < x.size(); ++j) x[j] /= length;
    correlations_at(problem, x, c);
    for (Index j = 0; j < x.size(); ++j) x[j] = c0[j] - c[j];
    value = length = std::sqrt(squared_length(x.data(), x.size()));
  }
  return std::min(1.1 * value, total(problem.squared_norm()));
}

}  // namespace detail

/// Accelerated proximal gradient with adaptive restart.
///   z = w + momentum,  w <- prox(z + X'Ω(y - Xz) / L),  L >= |X'ΩX|
/// The gap is evaluated every tenth step. max_iter counts steps.
/// Cost: one product with X and one with X' per step.
/// Ref: Beck, Teboulle, SIAM J. Imaging Sci. 2009; restart: O'Donoghue, Candès, Found. Comput. Math. 2015.
template <Design D>
Solution fista(const RegressionProblem<D>& problem, const ElasticNetPenalty& penalty,
               const StoppingRule& stop, Vector<double> w) {
  const Index p = problem.cols();
  for (Index j = 0; j < p; ++j)
    if (problem.squared_norm()[j] == 0 || penalty.excluded(j) || (penalty.positive() && w[j] < 0)) w[j] = 0;
  Evaluation<D> evaluation(problem, penalty);
  Solution solution;
  Convergence& status = solution.convergence;
  status.tolerance = stop.tol;
  double step_bound = std::max(detail::lipschitz(problem), std::numeric_limits<double>::min());
  double least = std::numeric_limits<double>::max();
  Index without_progress = 0, steps = 0;
  Vector<double> z, c, previous = w, best = w;
  double momentum = 1;
  bool restored = false;
  for (;;) {
    const Vector<double> before = w;
    const double gap = evaluation.measure(w);
    if (!std::equal(w.data(), w.data() + p, before.data()))
      momentum = 1;  // the columns without penalty were solved exactly
    z = momentum == 1 ? w : z;
    status.value = std::min(gap, evaluation.relative_gap());
    status.objective = evaluation.certificate().primal;
    status.n_iter = steps;
    if (!restored && steps > 0 && (!detail::is_finite(status.value) || status.value > 1e3 * least)) {
      // The estimate was too low and the steps diverge: back to the best point.
      w = best;
      momentum = 1;
      step_bound *= 2;
      restored = true;
      continue;
    }
    restored = false;
    if (status.value < least) best = w;
    without_progress = status.value < least ? 0 : without_progress + 1;
    least = std::min(least, status.value);
    status.status = gap <= stop.tol           ? Status::converged
                    : without_progress >= 200 ? Status::stalled
                                              : Status::max_iter;
    const bool go_on =
        detail::report_progress(stop.on_progress, {"fista", steps, status.value, stop.tol, status.objective});
    if (status.status == Status::max_iter && !go_on) status.status = Status::stopped;
    if (status.status != Status::max_iter || steps >= stop.max_iter) break;
    if (without_progress > 0 && without_progress % 50 == 0) step_bound *= 2;  // the estimate was too low
    for (int k = 0; k < 10 && steps < stop.max_iter; ++k, ++steps) {
      detail::correlations_at(problem, z, c);
      previous.swap(w);
      for (Index j = 0; j < p; ++j)
        w[j] = problem.squared_norm()[j] == 0 || penalty.excluded(j)
                   ? 0
                   : penalty.prox(j, step_bound * z[j] + c[j], step_bound);
      double turn = 0;
      for (Index j = 0; j < p; ++j) turn += (z[j] - w[j]) * (w[j] - previous[j]);
      if (turn > 0) {
        momentum = 1;
        z = w;
        continue;
      }
      const double next = 0.5 * (1 + std::sqrt(1 + 4 * momentum * momentum));
      for (Index j = 0; j < p; ++j) z[j] = w[j] + (momentum - 1) / next * (w[j] - previous[j]);
      momentum = next;
    }
  }
  solution.w = std::move(w);
  solution.certificate = evaluation.certificate();
  solution.n_passes = evaluation.n_passes() + steps + 21;
  solution.working_set = p;
  return solution;
}

}  // namespace sparse_experts
