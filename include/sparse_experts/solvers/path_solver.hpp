// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/coordinate_descent.hpp>
#include <sparse_experts/solvers/evaluation.hpp>
#include <sparse_experts/solvers/fista.hpp>
#include <sparse_experts/solvers/gram.hpp>
#include <sparse_experts/solvers/lars.hpp>
#include <sparse_experts/solvers/lasso_solver.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>
#include <sparse_experts/solvers/working_set.hpp>

#include <optional>
#include <utility>

namespace sparse_experts {

/// The solver for a problem: one object for a single fit, a path or several targets, which keeps what they
/// share (the Gram, or the working set with its Gram and factor).
template <Design D>
class PathSolver {
 public:
  /// n_alphas: how many solves will follow, which is what pays for a Gram of all columns.
  PathSolver(const RegressionProblem<D>& problem, LassoSolver solver, Index n_solves)
      : problem_(&problem), kind_(solver == LassoSolver::automatic ? choose(problem, n_solves) : solver) {
    if (kind_ == LassoSolver::gram)
      gram_.emplace(make_gram(problem), problem.squared_norm());
    else if (kind_ == LassoSolver::working_set)
      sets_.emplace(problem);
    else if (kind_ == LassoSolver::lars)
      homotopy_.emplace(problem);
  }

  LassoSolver kind() const { return kind_; }

  /// The problem has another target.
  void target_changed() {
    evaluation_.reset();
    if (gram_) {
      GramData data;
      detail::load_target(*problem_, data);
      gram_->set_target(std::move(data.target), data.y_squared);
    }
  }

  Solution solve(const ElasticNetPenalty& penalty, const StoppingRule& stop, Vector<double> w) {
    if (gram_) {
      Solution solution = gram_->solve(penalty, stop, std::move(w));
      solution.n_passes = first_ ? 2 : 0;  // the Gram and the correlations of the target
      first_ = false;
      return solution;
    }
    if (homotopy_) return homotopy_->solve(penalty, stop);
    if (kind_ == LassoSolver::fista) return fista(*problem_, penalty, stop, std::move(w));
    if (!sets_) return coordinate_descent(*problem_, penalty, stop, std::move(w));
    const bool measured = evaluation_.has_value();
    if (!measured) evaluation_.emplace(*problem_, penalty);
    return sets_->solve(penalty, stop, std::move(w), *evaluation_, measured);
  }

  /// The Gram of all columns costs n p²/2 at the speed of matrix products, against some ten passes over X per
  /// solve at the speed of memory; it must also be small beside X.
  static LassoSolver choose(const RegressionProblem<D>& problem, Index n_solves) {
    const double n = static_cast<double>(problem.rows()), p = static_cast<double>(problem.cols());
    if (p <= 64) return LassoSolver::gram;
    const bool small = p <= 4096 && p <= 0.3 * n;
    if (small && detail::dense_columns<D> && p <= 80.0 * (10.0 + 2.0 * static_cast<double>(n_solves - 1)))
      return LassoSolver::gram;
    return LassoSolver::working_set;
  }

 private:
  const RegressionProblem<D>* problem_;
  LassoSolver kind_;
  std::optional<GramSolver> gram_;
  std::optional<WorkingSetSolver<D>> sets_;
  std::optional<Homotopy<D>> homotopy_;
  std::optional<Evaluation<D>> evaluation_;
  bool first_ = true;
};

}  // namespace sparse_experts
