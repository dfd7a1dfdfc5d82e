// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/coordinate_descent.hpp>
#include <sparse_experts/solvers/evaluation.hpp>
#include <sparse_experts/solvers/gram_descent.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>
#include <sparse_experts/solvers/support_newton.hpp>
#include <sparse_experts/solvers/working_gram.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace sparse_experts {

/// Working set solver of the Lasso and the Elastic Net; its sets, their Gram and the factor of the support
/// live on from one alpha to the next, which makes paths cheap.
///   outer iteration: one pass over X measures the gap and finds the columns that violate their optimality
///   condition; the worst of them join the set; the problem on the set is solved on its Gram (GramProgram).
/// A cold start far below alpha_max walks down a few larger alphas first, so that the sets stay near the
/// support. Cost: a few passes over X per alpha, |W|² memory. Ref: Johnson, Guestrin, ICML 2015 (Blitz);
/// Massias, Gramfort, Salmon, ICML 2018 (Celer).
template <Design D>
class WorkingSetSolver {
 public:
  explicit WorkingSetSolver(const RegressionProblem<D>& problem, const Acceleration& use = {})
      : problem_(&problem),
        use_(use),
        gram_(problem),
        position_(static_cast<std::size_t>(problem.cols()), -1) {
    std::vector<Index> all(static_cast<std::size_t>(problem.cols()));
    std::iota(all.begin(), all.end(), Index(0));
    entries_ = detail::stored_entries(problem.design(), all) / static_cast<double>(problem.cols());
    newton_.set_threads(problem.n_threads());
  }

  /// Sets beyond this leave the Gram to accelerated coordinate descent.
  static constexpr Index max_set = 8192;

  /// Solves at `penalty` from w. `evaluation` may come from the last alpha of a path, measured at this very w
  /// (`measured`): then the first pass over X is saved.
  Solution solve(const ElasticNetPenalty& penalty, const StoppingRule& stop, Vector<double> w,
                 Evaluation<D>& evaluation, bool measured = false) {
    for (Index j = 0; j < problem_->cols(); ++j)
      if (unusable(penalty, j) || (penalty.positive() && w[j] < 0)) w[j] = 0;
    if (!evaluated_here_) measured = false;
    evaluated_here_ = true;
    const Index passes_before = evaluation.n_passes();
    evaluation.set_penalty(penalty);
    Solution solution;
    Convergence& c = solution.convergence;
    c.tolerance = stop.tol;
    double least = std::numeric_limits<double>::max();
    Index without_progress = 0, sweep_passes = 0;
    for (Index iteration = 0;; ++iteration) {
      const double gap = measured && iteration == 0 ? evaluation.assess(w) : evaluation.measure(w);
      c.value = std::min(gap, evaluation.relative_gap());
      c.objective = evaluation.certificate().primal;
      c.n_iter = iteration;
      without_progress = c.value < least ? 0 : without_progress + 1;
      least = std::min(least, c.value);
      c.status = gap <= stop.tol          ? Status::converged
                 : without_progress >= 12 ? Status::stalled
                                          : Status::max_iter;
      const bool go_on =
          detail::report_progress(stop.on_progress, {"lasso", iteration, c.value, stop.tol, c.objective});
      if (c.status == Status::max_iter && !go_on) c.status = Status::stopped;
      if (c.status != Status::max_iter || iteration >= stop.max_iter) break;
      const double level = choose(penalty, w, evaluation.correlations());
      const double budget = sweep_budget();
      const Index size = gram_.size() + static_cast<Index>(added_.size());
      if (budget > 0 || size > max_set) {
        Solution swept = coordinate_descent(*problem_, penalty, stop, w, use_, size > max_set ? 0 : budget);
        sweep_passes += swept.n_passes;
        const Status status = swept.convergence.status;
        if (size > max_set || status == Status::converged || status == Status::stopped) {
          evaluated_here_ = false;
          swept.n_passes = evaluation.n_passes() - passes_before + sweep_passes;
          return swept;
        }
      }
      grow();
      load(penalty, w, evaluation.correlations(), level);
      gram_descent(program_, newton_, tolerance(), 10000);
      for (Index k = 0; k < gram_.size(); ++k) w[column(k)] = program_.w[k];
    }
    solution.w = std::move(w);
    solution.certificate = evaluation.certificate();
    solution.n_passes = evaluation.n_passes() - passes_before + sweep_passes;
    solution.working_set = gram_.size();
    solution.counts.n_screened = evaluation.n_screened();
    return solution;
  }

  Solution solve(const ElasticNetPenalty& penalty, const StoppingRule& stop, Vector<double> w) {
    Evaluation<D> evaluation(*problem_, penalty);
    if (use_.screening) evaluation.enable_screening();
    return solve(penalty, stop, std::move(w), evaluation);
  }

 private:
  Index column(Index k) const { return gram_.columns()[static_cast<std::size_t>(k)]; }
  bool unusable(const ElasticNetPenalty& penalty, Index j) const {
    return problem_->squared_norm()[j] == 0 || penalty.excluded(j);
  }
  /// Violations of the set's own problem that are left to the next iteration, in lengths of the columns.
  double tolerance() const { return 1e-15 * std::sqrt(2 * problem_->null_objective()); }

  /// Entries of X that sweeps over columns may touch before the set is solved on its Gram; 0: none. Where
  /// columns hold few entries beside the size of the set, a sweep costs far less than one on the Gram, let
  /// alone a factor, and a well conditioned problem takes few. Tried at a cold start, when half of the
  /// violators are the guess at the set; it may cost a small share of what the Gram will.
  double sweep_budget() const {
    const double m = 0.5 * static_cast<double>(n_violators_);
    if (gram_.size() > 0 || m < 8 * entries_) return 0;
    return std::min(160 * m * entries_, 0.15 * (m * m * m / 3 + 50 * m * m));
  }

  /// Chooses the worst violators to join; returns the level of the L1 weights to solve at, 1 = the penalty's
  /// own.
  double choose(const ElasticNetPenalty& penalty, const Vector<double>& w, const Vector<double>& c) {
    constexpr double forced = std::numeric_limits<double>::max();
    std::vector<std::pair<double, Index>> candidates;
    Index support = 0;
    double worst = 0;
    n_violators_ = 0;
    for (Index j = 0; j < problem_->cols(); ++j) {
      if (unusable(penalty, j)) continue;
      if (w[j] != 0) ++support;
      const double l1 = penalty.l1(j), size = penalty.positive() ? c[j] : std::abs(c[j]);
      const bool outside = position_[static_cast<std::size_t>(j)] < 0;
      if (size > l1) ++n_violators_;
      if (w[j] == 0 && l1 > 0) worst = std::max(worst, size / l1);
      if (outside && (w[j] != 0 || size > l1))
        candidates.push_back({w[j] != 0 || l1 == 0 ? forced : size / l1, j});
    }
    const double level = worst > 3 ? worst * 0.4 : 1;
    std::erase_if(candidates, [&](const auto& candidate) { return candidate.first <= level; });
    const auto limit = static_cast<std::size_t>(std::max<Index>(100, support / 2));
    if (candidates.size() > limit) {
      std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(limit),
                       candidates.end(), [](const auto& a, const auto& b) { return a > b; });
      std::size_t needed = 0;
      for (const auto& candidate : candidates) needed += candidate.first == forced;
      candidates.resize(std::max(limit, needed));
    }
    added_.clear();
    for (const auto& candidate : candidates) added_.push_back(candidate.second);
    std::sort(added_.begin(), added_.end());
    return level;
  }

  /// Adds the chosen columns.
  void grow() {
    for (const Index j : added_) position_[static_cast<std::size_t>(j)] = gram_.size();
    gram_.append(added_, program_.gram);
  }

  void load(const ElasticNetPenalty& penalty, const Vector<double>& w, const Vector<double>& c,
            double level) {
    const Index m = gram_.size();
    const Vector<double> last = program_.l2;
    program_.w.resize(m);
    program_.gradient.resize(m);
    program_.l1.resize(m);
    program_.l2.resize(m);
    program_.positive = penalty.positive();
    for (Index k = 0; k < m; ++k) {
      const Index j = column(k);
      program_.w[k] = w[j];
      program_.gradient[k] = c[j];
      program_.l1[k] = penalty.l1(j) * level;
      program_.l2[k] = penalty.l2(j);
    }
    // The factor of the support holds l2.
    if (!std::equal(last.data(), last.data() + std::min(last.size(), m), program_.l2.data())) newton_.reset();
  }

  const RegressionProblem<D>* problem_;
  Acceleration use_;
  WorkingGram<D> gram_;
  std::vector<Index> added_;
  Index n_violators_ = 0;
  double entries_ = 0;          // of a column, on average
  bool evaluated_here_ = true;  // the evaluation stands where the last solve ended
  std::vector<Index> position_;
  GramProgram program_;
  SupportNewton newton_;
};

}  // namespace sparse_experts
