// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/inner_products.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/duality_gap.hpp>
#include <sparse_experts/solvers/gram_descent.hpp>
#include <sparse_experts/solvers/panel_gram.hpp>
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

/// All that a quadratic loss is, once n no longer matters: X̃'ΩX̃ (p x p), X̃'Ωỹ and ỹ'Ωỹ.
struct GramData {
  detail::LargeMatrix gram;
  Vector<double> target;
  double y_squared = 0;
};

namespace detail {

/// X̃'Ωỹ and ỹ'Ωỹ of the present target.
template <Design D>
void load_target(const RegressionProblem<D>& problem, GramData& data) {
  problem.correlations(problem.weighted(problem.target()), data.target);
  data.y_squared = 2 * problem.null_objective();
}

/// A gap relative to the objective of w = 0.
inline double relative_gap(const Certificate& certificate, double y_squared) {
  if (y_squared > 0) return certificate.gap() / (0.5 * y_squared);
  return certificate.primal > 0 ? std::numeric_limits<double>::max() : 0;
}

/// The penalty of a program over all columns, and the weights to start from; columns of norm 0 stay out.
template <class = void>
void load_penalty(const ElasticNetPenalty& penalty, const Vector<double>& norms, const Vector<double>& w,
                  GramProgram& program, SupportNewton& newton) {
  const Index p = norms.size();
  Vector<double> l2(p);
  program.l1.resize(p);
  program.w.resize(p);
  program.positive = penalty.positive();
  for (Index j = 0; j < p; ++j) {
    const bool unusable = norms[j] == 0 || penalty.excluded(j);
    program.l1[j] = unusable ? ElasticNetPenalty::excluded_weight : penalty.l1(j);
    l2[j] = penalty.l2(j);
    program.w[j] = unusable || (penalty.positive() && w[j] < 0) ? 0 : w[j];
  }
  if (program.l2.size() != p || l2 != program.l2) newton.reset();
  program.l2 = std::move(l2);
}

/// gradient = target - Gw from scratch.
template <class = void>
void refresh_gradient(const Vector<double>& target, GramProgram& program) {
  program.gradient = target;
  std::vector<Index> support;
  for (Index j = 0; j < target.size(); ++j)
    if (program.w[j] != 0) support.push_back(j);
  subtract_columns(
      program, support, [&](Index j) { return program.w[j]; }, 0, target.size());
}

}  // namespace detail

/// Gram of all columns of a problem, and its target's part.
template <Design D>
GramData make_gram(const RegressionProblem<D>& problem) {
  GramData data;
  WorkingGram<D> columns(problem);
  bool done = false;
  if constexpr (requires { problem.design().column(Index(0)); }) {
    detail::panel_gram<double>(problem, Vector<double>::Ones(problem.cols()), data.gram);
    done = true;
  }
  if (!done) {
    std::vector<Index> all(static_cast<std::size_t>(problem.cols()));
    std::iota(all.begin(), all.end(), Index(0));
    columns.append(all, data.gram);
  }
  detail::load_target(problem, data);
  return data;
}

/// Lasso and Elastic Net on the Gram of all columns: no pass over X after the Gram, whatever the number of
/// alphas and targets. The certificate is computed from the same moments; rounding relative to y'Ωy is part
/// of it. Cost: p² per sweep that moves everything, memory p². Ref: covariance updates: Friedman, Hastie,
/// Tibshirani, JSS 2010, sec. 2.2; finish: see SupportNewton.
class GramSolver {
 public:
  /// `squared_norm` of the columns: zeros mark the unusable ones.
  GramSolver(GramData data, Vector<double> squared_norm)
      : target_(std::move(data.target)), norms_(std::move(squared_norm)), y_squared_(data.y_squared) {
    program_.gram = std::move(data.gram);
  }

  /// Another target on the same columns.
  template <class = void>
  void set_target(Vector<double> target, double y_squared) {
    target_ = std::move(target);
    y_squared_ = y_squared;
    known_ = false;
  }
  const Vector<double>& target() const { return target_; }

  template <class = void>
  Solution solve(const ElasticNetPenalty& penalty, const StoppingRule& stop, Vector<double> w) {
    const Vector<double> last = program_.w;
    detail::load_penalty(penalty, norms_, w, program_, newton_);
    known_ = known_ && last == program_.w;
    Solution solution;
    Convergence& c = solution.convergence;
    c.tolerance = stop.tol;
    double least = std::numeric_limits<double>::max(), best_dual = 0;
    Index without_progress = 0;
    for (Index iteration = 0;; ++iteration) {
      const Certificate now = certificate(penalty);
      best_dual = std::max(best_dual, now.dual);
      solution.certificate = {now.primal, best_dual, now.size};
      const double gap = detail::relative_gap(now, y_squared_);
      c.value = std::min(gap, detail::relative_gap(solution.certificate, y_squared_));
      c.objective = now.primal;
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
      // Exact at the second attempt only: paths need no more than their tolerance.
      const double accuracy = iteration == 0 ? std::max(1e-15, 1e-3 * stop.tol) : 1e-15;
      known_ = false;
      gram_descent(program_, newton_, accuracy * std::sqrt(y_squared_), 10000);
    }
    solution.w = program_.w;
    solution.working_set = program_.size();
    return solution;
  }

 private:
  template <class = void>
  Certificate certificate(const ElasticNetPenalty& penalty) {
    if (!known_) detail::refresh_gradient(target_, program_);
    known_ = true;
    const Vector<double>& w = program_.w;
    // r'Ωr = y'Ωy - w'(X'Ωy + X'Ωr), y'Ωr = y'Ωy - w'X'Ωy
    const double y_dot_v = y_squared_ - w.dot(target_);
    const double r_dot_v = std::max(0.0, y_dot_v - w.dot(program_.gradient));
    double size = y_squared_;
    for (Index j = 0; j < w.size(); ++j) size += std::abs(w[j] * target_[j]);
    return {0.5 * r_dot_v + penalty_value(penalty, w),
            dual_point(penalty, w, norms_, program_.gradient, y_dot_v, r_dot_v).value, size};
  }

  Vector<double> target_, norms_;
  double y_squared_;
  GramProgram program_;
  SupportNewton newton_;
  bool known_ = false;  // the gradient is that of the weights, from scratch
};

}  // namespace sparse_experts
