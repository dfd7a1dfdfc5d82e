// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/cholesky.hpp>
#include <sparse_experts/solvers/evaluation.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>
#include <sparse_experts/solvers/working_gram.hpp>
#include <sparse_experts/solvers/working_set.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace sparse_experts {

/// Homotopy: follows the exact solution of min loss + t Σ l1_j |w_j| + Σ l2_j/2 w_j² from the t where it is
/// zero down to t = 1. Between two changes of the support the solution is linear in t:
///   dw_A = (X_A'ΩX_A + L2)^-1 (l1∘s)_A,   the next change is the nearest t where a weight reaches zero or an
/// outside correlation reaches t l1_j.
/// Cost: one pass over X and |A|² per change of the support. Ties and dependent columns are left to the
/// working set solver, which starts from the point reached and certifies it. Ref: Osborne, Presnell, Turlach,
/// IMA J. Numer. Anal. 2000; Efron et al., Annals of Statistics 2004.
template <Design D>
class Homotopy {
 public:
  explicit Homotopy(const RegressionProblem<D>& problem)
      : problem_(&problem),
        gram_(problem),
        position_(static_cast<std::size_t>(problem.cols()), -1),
        finish_(problem) {}

  Solution solve(const ElasticNetPenalty& penalty, const StoppingRule& stop) {
    Vector<double> w = Vector<double>::Zero(problem_->cols());
    const Index steps = follow(penalty, stop, w);
    Solution solution = finish_.solve(penalty, stop, std::move(w));
    solution.convergence.n_iter += steps;
    solution.n_passes += steps;
    return solution;
  }

 private:
  static double push(const ElasticNetPenalty& penalty, double c) {
    return penalty.positive() ? c : std::abs(c);
  }

  Index follow(const ElasticNetPenalty& penalty, const StoppingRule& stop, Vector<double>& w) {
    const Index p = problem_->cols();
    Evaluation<D> evaluation(*problem_, penalty);
    evaluation.measure(w);
    if ((w.array() != 0).any()) return 0;  // columns without penalty: the path does not start at zero
    Vector<double> c = evaluation.correlations(), a;
    double t = 0;
    Index entering = -1;
    for (Index j = 0; j < p; ++j) {
      if (problem_->squared_norm()[j] == 0 || penalty.excluded(j)) continue;
      if (penalty.l1(j) == 0) return 0;
      if (push(penalty, c[j]) > t * penalty.l1(j)) {
        t = push(penalty, c[j]) / penalty.l1(j);
        entering = j;
      }
    }
    factor_.clear();
    active_.clear();
    member_.assign(static_cast<std::size_t>(p), false);
    Index steps = 0;
    int ties = 0;
    for (; t > 1 && entering != -2 && steps < stop.max_iter; ++steps) {
      if (entering >= 0 && !enter(penalty, entering)) break;
      const auto k = static_cast<Index>(active_.size());
      Vector<double> d(k);
      for (Index i = 0; i < k; ++i) d[i] = penalty.l1(at(i)) * std::copysign(1.0, c[at(i)]);
      factor_.solve(d);
      Vector<double> moved = Vector<double>::Zero(problem_->rows());
      for (Index i = 0; i < k; ++i) problem_->column_axpy(at(i), d[i], moved);
      problem_->recenter(moved);
      problem_->correlations(problem_->weighted(moved), a);
      double gamma = t - 1;
      Index leaving = -1;
      entering = -2;
      for (Index i = 0; i < k; ++i) {
        if (w[at(i)] * d[i] >= 0) continue;
        const double when = -w[at(i)] / d[i];
        if (when < gamma) {
          gamma = when;
          leaving = i;
        }
      }
      for (Index j = 0; j < p; ++j) {
        if (member_[static_cast<std::size_t>(j)] || j == left_) continue;
        if (problem_->squared_norm()[j] == 0 || penalty.excluded(j)) continue;
        const double l1 = penalty.l1(j);
        double when = std::numeric_limits<double>::max();
        if (l1 - a[j] > 1e-12 * l1) when = (t * l1 - c[j]) / (l1 - a[j]);
        if (!penalty.positive() && l1 + a[j] > 1e-12 * l1)
          when = std::min(when, (t * l1 + c[j]) / (l1 + a[j]));
        when = std::max(0.0, when);
        if (when < gamma) {
          gamma = when;
          entering = j;
          leaving = -1;
        }
      }
      for (Index i = 0; i < k; ++i) w[at(i)] += gamma * d[i];
      c -= gamma * a;
      t -= gamma;
      ties = gamma > 0 ? 0 : ties + 1;
      if (ties > 10) break;
      left_ = -1;
      if (leaving >= 0) {
        left_ = at(leaving);
        w[left_] = 0;
        member_[static_cast<std::size_t>(left_)] = false;
        factor_.remove(leaving);
        active_.erase(active_.begin() + leaving);
        entering = -1;
      }
    }
    return steps;
  }

  Index at(Index i) const { return active_[static_cast<std::size_t>(i)]; }

  bool enter(const ElasticNetPenalty& penalty, Index j) {
    if (position_[static_cast<std::size_t>(j)] < 0) {
      position_[static_cast<std::size_t>(j)] = gram_.size();
      gram_.append({j}, values_);
    }
    const Index own = position_[static_cast<std::size_t>(j)];
    Vector<double> cross(static_cast<Index>(active_.size()));
    for (Index i = 0; i < cross.size(); ++i)
      cross[i] = values_(position_[static_cast<std::size_t>(at(i))], own);
    if (!factor_.append(cross, values_(own, own) + penalty.l2(j))) return false;
    active_.push_back(j);
    member_[static_cast<std::size_t>(j)] = true;
    return true;
  }

  const RegressionProblem<D>* problem_;
  WorkingGram<D> gram_;
  detail::LargeMatrix values_;
  std::vector<Index> position_, active_;
  std::vector<bool> member_;
  UpdatableCholesky factor_;
  WorkingSetSolver<D> finish_;
  Index left_ = -1;
};

}  // namespace sparse_experts
