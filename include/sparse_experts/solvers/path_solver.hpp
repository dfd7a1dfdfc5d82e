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
  PathSolver(const RegressionProblem<D>& problem, LassoSolver solver, Index n_solves,
             const Acceleration& use = {})
      : problem_(&problem),
        kind_(solver == LassoSolver::automatic ? choose(problem, n_solves) : solver),
        use_(use),
        single_(n_solves == 1) {
    // A single fit decides once it knows its penalty.
    undecided_ = solver == LassoSolver::automatic && single_ && kind_ == LassoSolver::gram &&
                 problem.cols() > always_gram;
    if (!undecided_) prepare();
  }

  /// On a Gram of all columns that is known already.
  PathSolver(const RegressionProblem<D>& problem, GramData gram)
      : problem_(&problem), kind_(LassoSolver::gram), single_(false), first_(false) {
    gram_.emplace(std::move(gram), problem.squared_norm());
  }

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
    if (undecided_) {
      decide(penalty, w);
      if (kind_ == LassoSolver::gram && try_sweeps_) {
        Solution swept = coordinate_descent(*problem_, penalty, stop, w, use_, sweep_budget());
        swept.n_passes += spent_;
        if (swept.convergence.status == Status::converged || swept.convergence.status == Status::stopped)
          return swept;
        spent_ = swept.n_passes;
      }
      prepare();
    }
    if (gram_) {
      Solution solution = gram_->solve(penalty, stop, std::move(w));
      solution.n_passes = first_ ? 2 + spent_ : 0;  // the Gram and the correlations of the target
      first_ = false;
      return solution;
    }
    if (homotopy_) return homotopy_->solve(penalty, stop);
    if (kind_ == LassoSolver::fista) return fista(*problem_, penalty, stop, std::move(w));
    if (!sets_) return coordinate_descent(*problem_, penalty, stop, std::move(w), use_);
    const bool measured = evaluation_.has_value();  // where the last solve ended, or by decide()
    if (!measured) evaluation_.emplace(*problem_, penalty);
    // The next alpha of a path wants to know the correlations of all columns.
    if (single_ && use_.screening) evaluation_->enable_screening();
    return sets_->solve(penalty, stop, std::move(w), *evaluation_, measured);
  }

  /// The Gram of all columns costs n p²/2 at the speed of matrix products, against some ten passes over X per
  /// solve at the speed of memory; it must also be small beside X.
  static LassoSolver choose(const RegressionProblem<D>& problem, Index n_solves) {
    const double n = static_cast<double>(problem.rows()), p = static_cast<double>(problem.cols());
    if (problem.cols() <= always_gram) return LassoSolver::gram;
    const bool small = p <= 4096 && p <= 0.3 * n;
    if (small && detail::dense_columns<D> && p <= 80.0 * (10.0 + 2.0 * static_cast<double>(n_solves - 1)))
      return LassoSolver::gram;
    return LassoSolver::working_set;
  }

 private:
  static constexpr Index always_gram = 64;

  void prepare() {
    if (kind_ == LassoSolver::gram)
      gram_.emplace(make_gram(*problem_), problem_->squared_norm());
    else if (kind_ == LassoSolver::working_set)
      sets_.emplace(*problem_, use_);
    else if (kind_ == LassoSolver::lars)
      homotopy_.emplace(*problem_);
  }

  /// The Gram of all columns is too much where few of them violate their optimality condition at the start:
  /// one pass over X tells, which the working set then need not make.
  void decide(const ElasticNetPenalty& penalty, Vector<double>& w) {
    undecided_ = false;
    for (Index j = 0; j < problem_->cols(); ++j)
      if (problem_->squared_norm()[j] == 0 || penalty.excluded(j) || (penalty.positive() && w[j] < 0))
        w[j] = 0;
    evaluation_.emplace(*problem_, penalty);
    evaluation_->measure(w);
    Index needed = 0;
    for (Index j = 0; j < problem_->cols(); ++j)
      if (w[j] != 0 || penalty.violation(j, 0, evaluation_->correlations()[j]) > 0) ++needed;
    if (3 * needed < problem_->cols()) {
      kind_ = LassoSolver::working_set;
    } else {
      evaluation_.reset();
      spent_ = 1;
    }
    try_sweeps_ = 6 * needed < 5 * problem_->cols();
  }

  /// Entries that sweeps may touch where they might spare the Gram: a well conditioned problem takes a few.
  /// An entry of a sweep takes as long as some nine multiply-adds of the Gram. Slow progress ends them at a
  /// quarter of this, which is a seventh of the Gram.
  double sweep_budget() const {
    const auto p = static_cast<double>(problem_->cols());
    return 0.033 * static_cast<double>(problem_->rows()) * p * p;
  }

  const RegressionProblem<D>* problem_;
  LassoSolver kind_;
  Acceleration use_;
  bool single_;
  std::optional<GramSolver> gram_;
  std::optional<WorkingSetSolver<D>> sets_;
  std::optional<Homotopy<D>> homotopy_;
  std::optional<Evaluation<D>> evaluation_;
  Index spent_ = 0;  // passes before the solver was chosen
  bool first_ = true, undecided_ = false, try_sweeps_ = false;
};

}  // namespace sparse_experts
