// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/losses/quadratic.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/evaluation.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace sparse_experts {

namespace detail {

/// The weighted residual v = ω∘(r - mean(r)) of coordinate descent with lazy centring: an update touches the
/// stored entries of its column alone, and the mean is one number on the side.
template <Design D>
class LazyResidual {
 public:
  LazyResidual(const RegressionProblem<D>& problem, const Vector<double>& r)
      : problem_(&problem), v_(problem.weighted(r)) {}

  /// s_j (x_j - m_j)' v
  double correlation(Index j) const {
    return problem_->scale()[j] *
           (column_dot(problem_->design(), j, v_.data()) - offset_ * problem_->mean()[j]);
  }
  /// w_j += delta
  void move(Index j, double delta) {
    const bool weighted = problem_->weights().size() > 0;
    const double a = -delta * problem_->scale()[j];
    column_axpy(problem_->design(), j, weighted ? a : a / static_cast<double>(problem_->rows()),
                weighted ? problem_->weights().data() : nullptr, v_.data());
    offset_ += a * problem_->mean()[j];
  }

 private:
  const RegressionProblem<D>* problem_;
  Vector<double> v_;
  double offset_ = 0;  // Σ v: the centred v is v - ω Σ v
};

}  // namespace detail

/// Cyclic coordinate descent for the quadratic loss and a separable penalty: the plain baseline.
///   min_w  ½ Σ_i ω_i (y_i - x_i'w)² + Σ_j ω_j(w_j)      X: n x p centred and scaled implicitly, w: p
/// Update  w_j <- prox_j(x_j'Ωr + |x_j|² w_j, |x_j|²),  r = y - Xw
/// Full sweeps alternate with sweeps over the non-zero weights until these move little; the gap is evaluated
/// after each such round. Columns of norm zero are skipped and end at zero.
/// Cost: O(np) or O(nnz) per full sweep, O(n + p) memory.
/// Ref: Friedman, Hastie, Tibshirani, JSS 2010, sec. 2.
template <Design D>
Solution coordinate_descent(const RegressionProblem<D>& problem, const ElasticNetPenalty& penalty,
                            const StoppingRule& stop, Vector<double> w) {
  const Index p = problem.cols();
  for (Index j = 0; j < p; ++j)
    if (problem.squared_norm()[j] == 0 || penalty.excluded(j) || (penalty.positive() && w[j] < 0)) w[j] = 0;
  Evaluation<D> evaluation(problem, penalty);
  Solution solution;
  Convergence& c = solution.convergence;
  c.tolerance = stop.tol;
  double least = std::numeric_limits<double>::max();
  Index without_progress = 0;
  for (Index sweeps = 0;;) {
    const double gap = evaluation.measure(w);
    c.value = std::min(gap, evaluation.relative_gap());
    c.objective = evaluation.certificate().primal;
    c.n_iter = sweeps;
    without_progress = c.value < least ? 0 : without_progress + 1;
    least = std::min(least, c.value);
    c.status = gap <= stop.tol          ? Status::converged
               : without_progress >= 20 ? Status::stalled
                                        : Status::max_iter;
    const bool go_on =
        detail::report_progress(stop.on_progress, {"lasso", sweeps, c.value, stop.tol, c.objective});
    if (c.status == Status::max_iter && !go_on) c.status = Status::stopped;
    if (c.status != Status::max_iter || sweeps >= stop.max_iter) break;

    detail::LazyResidual<D> residual(problem, evaluation.residual());
    const auto update = [&](Index j) {
      const double norm = problem.squared_norm()[j];
      if (norm == 0 || penalty.excluded(j)) return 0.0;
      const double next = penalty.prox(j, residual.correlation(j) + norm * w[j], norm);
      const double delta = next - w[j];
      if (delta == 0) return 0.0;
      residual.move(j, delta);
      w[j] = next;
      return delta * delta * norm;
    };
    double moved = 0;
    for (Index j = 0; j < p; ++j) moved = std::max(moved, update(j));
    ++sweeps;
    for (int inner = 0; inner < 9 && sweeps < stop.max_iter; ++inner, ++sweeps) {
      double moved_inner = 0;
      for (Index j = 0; j < p; ++j)
        if (w[j] != 0) moved_inner = std::max(moved_inner, update(j));
      if (moved_inner <= 1e-2 * moved) break;
    }
  }
  solution.w = std::move(w);
  solution.certificate = evaluation.certificate();
  solution.n_passes = evaluation.n_passes() + c.n_iter;
  solution.working_set = p;
  return solution;
}

}  // namespace sparse_experts
