// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/losses/quadratic.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/anderson.hpp>
#include <sparse_experts/solvers/evaluation.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

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
  /// ½ r'Ωr
  double loss() const {
    const Vector<double>& omega = problem_->weights();
    if (omega.size() == 0) {
      const auto n = static_cast<double>(v_.size());
      double sums[4] = {};
      for (Index i = 0; i < v_.size(); ++i) sums[i & 3] += (v_[i] - offset_ / n) * (v_[i] - offset_ / n);
      return 0.5 * n * ((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
    double sum = 0;
    for (Index i = 0; i < v_.size(); ++i)
      if (omega[i] > 0) sum += (v_[i] - omega[i] * offset_) * (v_[i] - omega[i] * offset_) / omega[i];
    return 0.5 * sum;
  }

 private:
  const RegressionProblem<D>* problem_;
  Vector<double> v_;
  double offset_ = 0;  // Σ v: the centred v is v - ω Σ v
};

/// One column's step of coordinate descent. Returns the squared move of the prediction.
template <Design D>
double coordinate_step(const RegressionProblem<D>& problem, const ElasticNetPenalty& penalty, Index j,
                       LazyResidual<D>& residual, Vector<double>& w) {
  const double norm = problem.squared_norm()[j];
  const double next = penalty.prox(j, residual.correlation(j) + norm * w[j], norm);
  const double delta = next - w[j];
  if (delta == 0) return 0;
  residual.move(j, delta);
  w[j] = next;
  return delta * delta * norm;
}

/// Sweeps over the support, with Anderson extrapolation of its weights. A weight that reaches zero stays
/// there.
template <Design D>
class SupportSweeps {
 public:
  SupportSweeps(const RegressionProblem<D>& problem, const ElasticNetPenalty& penalty, bool anderson)
      : problem_(&problem), penalty_(&penalty), use_anderson_(anderson) {}

  void restart(const std::vector<Index>& columns, const Vector<double>& w) {
    support_.clear();
    for (const Index j : columns)
      if (w[j] != 0) support_.push_back(j);
    if (use_anderson_) sequence_.restart(weights(w));
  }

  /// Returns the largest squared move of the sweep.
  double sweep(LazyResidual<D>& residual, Vector<double>& w) {
    double moved = 0;
    for (const Index j : support_)
      if (w[j] != 0) moved = std::max(moved, coordinate_step(*problem_, *penalty_, j, residual, w));
    if (use_anderson_ && sequence_.push(weights(w))) {
      extrapolate(residual, w);
      sequence_.restart(weights(w));
    }
    return moved;
  }

  Index n_extrapolations() const { return n_extrapolations_; }
  const std::vector<Index>& support() const { return support_; }

 private:
  Vector<double> weights(const Vector<double>& w) const {
    Vector<double> part(static_cast<Index>(support_.size()));
    for (Index k = 0; k < part.size(); ++k) part[k] = w[support_[static_cast<std::size_t>(k)]];
    return part;
  }

  /// Moves to the extrapolated point where that lowers the objective.
  void extrapolate(LazyResidual<D>& residual, Vector<double>& w) {
    const Vector<double> point = sequence_.extrapolate();
    if (point.size() == 0 || (penalty_->positive() && point.size() > 0 &&
                              *std::min_element(point.data(), point.data() + point.size()) < 0))
      return;
    const LazyResidual<D> before = residual;
    double change = -before.loss();
    for (Index k = 0; k < point.size(); ++k) {
      const Index j = support_[static_cast<std::size_t>(k)];
      change += penalty_->value(j, point[k]) - penalty_->value(j, w[j]);
      residual.move(j, point[k] - w[j]);
    }
    change += residual.loss();
    if (!(change < 0)) {
      residual = before;
      return;
    }
    for (Index k = 0; k < point.size(); ++k) w[support_[static_cast<std::size_t>(k)]] = point[k];
    ++n_extrapolations_;
  }

  const RegressionProblem<D>* problem_;
  const ElasticNetPenalty* penalty_;
  std::vector<Index> support_;
  AndersonExtrapolation sequence_;
  bool use_anderson_;
  Index n_extrapolations_ = 0;
};

}  // namespace detail

/// Cyclic coordinate descent for the quadratic loss and a separable penalty.
///   min_w  ½ Σ_i ω_i (y_i - x_i'w)² + Σ_j ω_j(w_j)      X: n x p centred and scaled implicitly, w: p
/// Update  w_j <- prox_j(x_j'Ωr + |x_j|² w_j, |x_j|²),  r = y - Xw
/// Full sweeps alternate with sweeps over the non-zero weights until these move little; the gap is evaluated
/// after each such round. Columns of norm zero are skipped and end at zero. With everything in `use` switched
/// off it is the plain baseline; else sweeps skip screened columns, weights and dual points are extrapolated.
/// `budget`: entries of X that may be touched before it gives up (status max_iter); 0 = any number. It gives
/// up earlier where the gap falls too slowly for it.
/// Cost: O(np) or O(nnz) per full sweep, O(n + p) memory.
/// Ref: Friedman, Hastie, Tibshirani, JSS 2010, sec. 2.
template <Design D>
Solution coordinate_descent(const RegressionProblem<D>& problem, const ElasticNetPenalty& penalty,
                            const StoppingRule& stop, Vector<double> w, const Acceleration& use = {},
                            double budget = 0) {
  const Index p = problem.cols();
  for (Index j = 0; j < p; ++j)
    if (problem.squared_norm()[j] == 0 || penalty.excluded(j) || (penalty.positive() && w[j] < 0)) w[j] = 0;
  Evaluation<D> evaluation(problem, penalty);
  if (use.screening) evaluation.enable_screening();
  if (use.dual_extrapolation) evaluation.enable_dual_extrapolation();
  detail::SupportSweeps<D> inner_sweeps(problem, penalty, use.anderson);
  GapSafeScreening usable;
  usable.restart(penalty, problem.squared_norm());
  const std::vector<Index>& columns = use.screening ? evaluation.screening().alive() : usable.alive();
  Solution solution;
  Convergence& c = solution.convergence;
  c.tolerance = stop.tol;
  double least = std::numeric_limits<double>::max(), touched = 0, first = 0;
  Index without_progress = 0, iteration = 0;
  for (Index sweeps = 0;;) {
    const double gap = evaluation.measure(w);
    c.value = std::min(gap, evaluation.relative_gap());
    c.objective = evaluation.certificate().primal;
    c.n_iter = sweeps;
    without_progress = c.value < least ? 0 : without_progress + 1;
    least = std::min(least, c.value);
    const bool reached = (use.dual_extrapolation ? c.value : gap) <= stop.tol;
    c.status = reached ? Status::converged : without_progress >= 20 ? Status::stalled : Status::max_iter;
    const bool go_on =
        detail::report_progress(stop.on_progress, {"lasso", sweeps, c.value, stop.tol, c.objective});
    if (c.status == Status::max_iter && !go_on) c.status = Status::stopped;
    if (c.status != Status::max_iter || sweeps >= stop.max_iter) break;
    if (iteration++ == 0) first = c.value;
    if (budget > 0 && touched > 0.25 * budget &&
        std::log(first / c.value) < 0.6 * touched / budget * std::log(first / std::max(stop.tol, 1e-14)))
      break;

    detail::LazyResidual<D> residual(problem, evaluation.residual());
    double moved = 0;
    for (const Index j : columns)
      moved = std::max(moved, detail::coordinate_step(problem, penalty, j, residual, w));
    ++sweeps;
    inner_sweeps.restart(columns, w);
    const double full = detail::stored_entries(problem.design(), columns),
                 part = detail::stored_entries(problem.design(), inner_sweeps.support());
    touched += full;
    for (int inner = 0; inner < 2 * AndersonExtrapolation::depth && sweeps < stop.max_iter;
         ++inner, ++sweeps) {
      touched += 2 * part;
      if (inner_sweeps.sweep(residual, w) <= 1e-2 * moved) break;
    }
  }
  solution.w = std::move(w);
  solution.certificate = evaluation.certificate();
  solution.n_passes = evaluation.n_passes() + c.n_iter;
  solution.working_set = p;
  solution.counts = {evaluation.n_screened(), inner_sweeps.n_extrapolations(),
                     evaluation.n_dual_extrapolations()};
  return solution;
}

}  // namespace sparse_experts
