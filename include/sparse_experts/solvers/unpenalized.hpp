// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/cholesky.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>

#include <vector>

namespace sparse_experts {

/// The columns that no penalty holds back. Exact minimisation over them makes the residual orthogonal to
/// them, which is what a dual feasible point needs (scaling alone cannot give it). Their Gram is factored
/// once; columns that depend linearly on earlier ones keep their weights. Cost: |U| columns per call after
/// O(|U|² n + |U|³) once.
template <Design D>
class UnpenalizedBlock {
 public:
  UnpenalizedBlock(const RegressionProblem<D>& problem, const ElasticNetPenalty& penalty)
      : problem_(&problem) {
    if (penalty.positive()) return;  // w >= 0 is a penalty of its own
    for (Index j = 0; j < problem.cols(); ++j)
      if (penalty.unpenalized(j) && problem.squared_norm()[j] > 0) add(j);
  }

  bool empty() const { return columns_.empty(); }

  /// w_U <- argmin over w_U, and r = y - Xw follows.
  void minimise(Vector<double>& w, Vector<double>& r) const {
    if (empty()) return;
    const auto count = static_cast<Index>(columns_.size());
    for (int refinement = 0; refinement < 2; ++refinement) {
      const Vector<double> v = problem_->weighted(r);
      Vector<double> step(count);
      for (Index k = 0; k < count; ++k) step[k] = correlation(column(k), v);
      factor_.solve(step);
      for (Index k = 0; k < count; ++k) {
        w[column(k)] += step[k];
        problem_->column_axpy(column(k), -step[k], r);
      }
      problem_->recenter(r);
    }
  }

 private:
  Index column(Index k) const { return columns_[static_cast<std::size_t>(k)]; }

  double correlation(Index j, const Vector<double>& v) const {
    return problem_->scale()[j] *
           (detail::column_dot(problem_->design(), j, v.data()) - problem_->mean()[j] * detail::total(v));
  }

  void add(Index j) {
    Vector<double> x;
    detail::fill(x, problem_->rows(), 0.0);
    problem_->column_axpy(j, 1, x);
    problem_->recenter(x);
    const Vector<double> v = problem_->weighted(x);
    Vector<double> cross(static_cast<Index>(columns_.size()));
    for (Index k = 0; k < cross.size(); ++k) cross[k] = correlation(column(k), v);
    if (factor_.append(cross, detail::inner_product(x, v))) columns_.push_back(j);
  }

  const RegressionProblem<D>* problem_;
  std::vector<Index> columns_;
  UpdatableCholesky factor_;
};

}  // namespace sparse_experts
