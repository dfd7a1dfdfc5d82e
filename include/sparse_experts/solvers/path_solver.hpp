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
#include <sparse_experts/solvers/refined_gram.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>
#include <sparse_experts/solvers/working_set.hpp>

#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

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
        single_(n_solves == 1),
        free_(solver == LassoSolver::automatic) {
    // A single fit decides once it knows its penalty.
    undecided_ = free_ && single_ && kind_ == LassoSolver::gram && problem.cols() > always_gram;
  }

  /// On a Gram of all columns that is known already; `rounded`: by panel_gram<float>, to be refined.
  PathSolver(const RegressionProblem<D>& problem, GramData gram, bool rounded = false)
      : problem_(&problem),
        kind_(rounded ? LassoSolver::refined_gram : LassoSolver::gram),
        single_(false),
        free_(false),
        first_(false),
        prepared_(true) {
    if constexpr (detail::dense_columns<D>) {
      if (rounded) {
        refined_.emplace(problem, std::move(gram));
        return;
      }
    }
    gram_.emplace(std::move(gram), problem.squared_norm());
  }

  /// The penalties of a path, before the first of them is solved: what is shared by its points can then be
  /// made for all of them at once.
  void plan(const std::vector<ElasticNetPenalty>& penalties, double tol, const Vector<double>& w) {
    if (undecided_ || penalties.empty()) return;
    if (free_ && kind_ == LassoSolver::gram && refines(penalties.front())) kind_ = LassoSolver::refined_gram;
    prepare(penalties.front());
    if constexpr (detail::dense_columns<D>)
      if (refined_) refined_->plan(penalties, tol, w);
  }

  /// The problem has another target.
  void target_changed() {
    evaluation_.reset();
    if constexpr (detail::dense_columns<D>)
      if (refined_) refined_->target_changed();
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
    }
    prepare(penalty);
    if constexpr (detail::dense_columns<D>)
      if (refined_) return refined_->solve(penalty, stop, std::move(w));
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

  bool refines(const ElasticNetPenalty& penalty) const {
    if constexpr (detail::dense_columns<D>)
      return RefinedGram<D>::suits(*problem_) && RefinedGram<D>::suits(*problem_, penalty);
    else
      return false;
  }

  /// Makes what all solves share, once.
  void prepare(const ElasticNetPenalty& penalty) {
    if (prepared_) return;
    prepared_ = true;
    if constexpr (detail::dense_columns<D>) {
      if (kind_ == LassoSolver::refined_gram && RefinedGram<D>::suits(*problem_, penalty)) {
        refined_.emplace(*problem_);
        return;
      }
    }
    if (kind_ == LassoSolver::gram || kind_ == LassoSolver::refined_gram)
      gram_.emplace(make_gram(*problem_), problem_->squared_norm());
    else if (kind_ == LassoSolver::working_set)
      sets_.emplace(*problem_, use_);
    else if (kind_ == LassoSolver::lars)
      homotopy_.emplace(*problem_);
  }

  /// Columns that violate their optimality condition at w, counted on every sixteenth strip of rows; noise
  /// adds some.
  Index rough_violators(const ElasticNetPenalty& penalty, const Vector<double>& w) const {
    Index needed = 0;
    if constexpr (detail::dense_columns<D>) {
      constexpr Index strip = 64, period = 16;
      const Vector<double> v = problem_->weighted(problem_->residual(w));
      for (Index j = 0; j < problem_->cols(); ++j) {
        double sum = 0, total = 0;
        for (Index top = 0; top < problem_->rows(); top += period * strip) {
          const Index count = std::min(strip, problem_->rows() - top);
          sum += detail::dense_dot(problem_->design().column(j) + top, v.data() + top, count);
          total += v.segment(top, count).sum();
        }
        const double c = period * problem_->scale()[j] * (sum - problem_->mean()[j] * total);
        if (w[j] != 0 || (problem_->squared_norm()[j] > 0 && penalty.violation(j, 0, c) > 0)) ++needed;
      }
    }
    return needed;
  }

  /// The Gram of all columns is too much where few of them violate their optimality condition at the start:
  /// one pass over X tells, which the working set then need not make.
  void decide(const ElasticNetPenalty& penalty, Vector<double>& w) {
    undecided_ = false;
    for (Index j = 0; j < problem_->cols(); ++j)
      if (problem_->squared_norm()[j] == 0 || penalty.excluded(j) || (penalty.positive() && w[j] < 0))
        w[j] = 0;
    if (refines(penalty) && 3 * rough_violators(penalty, w) >= problem_->cols()) {
      kind_ = LassoSolver::refined_gram;
      return;
    }
    evaluation_.emplace(*problem_, penalty);
    evaluation_->measure(w);
    Index needed = 0;
    for (Index j = 0; j < problem_->cols(); ++j)
      if (w[j] != 0 || penalty.violation(j, 0, evaluation_->correlations()[j]) > 0) ++needed;
    if (3 * needed < problem_->cols()) {
      kind_ = LassoSolver::working_set;
      return;
    }
    evaluation_.reset();
    spent_ = 1;
    if (refines(penalty))
      kind_ = LassoSolver::refined_gram;
    else
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
  bool single_, free_;  // one solve; the solver is ours to choose
  std::optional<GramSolver> gram_;
  struct Nothing {};
  std::conditional_t<detail::dense_columns<D>, std::optional<RefinedGram<D>>, Nothing> refined_;
  std::optional<WorkingSetSolver<D>> sets_;
  std::optional<Homotopy<D>> homotopy_;
  std::optional<Evaluation<D>> evaluation_;
  Index spent_ = 0;  // passes before the solver was chosen
  bool first_ = true, prepared_ = false, undecided_ = false, try_sweeps_ = false;
};

}  // namespace sparse_experts
