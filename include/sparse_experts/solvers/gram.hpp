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
#include <sparse_experts/solvers/rank_update.hpp>
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
  Matrix<double> gram;
  Vector<double> target;
  double y_squared = 0;
};

namespace detail {

/// X̃'ΩX̃ of dense columns by panels of rows: each panel is packed centred, scaled and weighted, and adds one
/// blocked symmetric product. n p²/2 multiply-adds, one pass over X, memory p² plus two panels.
template <Design D>
void panel_gram(const RegressionProblem<D>& problem, Matrix<double>& gram) {
  const Index n = problem.rows(), p = problem.cols();
  constexpr Index panel_rows = 256, block_size = 8 * tile_cols;
  static_assert(block_size % tile_rows == 0, "blocks of columns share no group of a packed panel");
  gram = Matrix<double>::Zero(p, p);
  const int n_threads = threads_for(n * p, problem.n_threads());
  std::vector<double> left, right;
  const Vector<double>& weights = problem.weights();
  const double uniform = 1 / std::sqrt(static_cast<double>(n));
  for (Index top = 0; top < n; top += panel_rows) {
    const Index rows = std::min(panel_rows, n - top);
    if (top == 0 || rows < panel_rows) {
      left.assign(static_cast<std::size_t>(packed_size(p, rows, tile_rows)), 0.0);
      right.assign(static_cast<std::size_t>(packed_size(p, rows, tile_cols)), 0.0);
    }
    parallel_blocks(p, block_size, n_threads, [&](const Block& block) {
      for (Index j = block.begin; j < block.end; ++j) {
        const auto* x = problem.design().column(j) + top;
        const double center = problem.mean()[j], scale = problem.scale()[j];
        double* a = left.data() + packed_at(0, j, rows, tile_rows);
        double* b = right.data() + packed_at(0, j, rows, tile_cols);
        const double* weight = weights.size() > 0 ? weights.data() + top : nullptr;
        const double factor = weight ? scale : scale * uniform;
        for (Index i = 0; i < rows; ++i) {
          const double value = (static_cast<double>(x[i]) - center) * factor;
          a[i * tile_rows] = value;
          b[i * tile_cols] = weight ? value * weight[i] : value;
        }
      }
    });
    parallel_blocks(p, block_size, n_threads, [&](const Block& block) {
      update_upper(left.data(), right.data(), rows, gram.data(), p, 0, block.begin, block.end);
    });
  }
  for (Index j = 0; j < p; ++j)
    for (Index i = 0; i < j; ++i) gram(j, i) = gram(i, j);
}

/// X̃'Ωỹ and ỹ'Ωỹ of the present target.
template <Design D>
void load_target(const RegressionProblem<D>& problem, GramData& data) {
  problem.correlations(problem.weighted(problem.target()), data.target);
  data.y_squared = 2 * problem.null_objective();
}

}  // namespace detail

/// Gram of all columns of a problem, and its target's part.
template <Design D>
GramData make_gram(const RegressionProblem<D>& problem) {
  GramData data;
  WorkingGram<D> columns(problem);
  bool done = false;
  if constexpr (requires { problem.design().column(Index(0)); }) {
    detail::panel_gram(problem, data.gram);
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
    program_.w = Vector<double>::Zero(target_.size());
  }

  /// Another target on the same columns.
  template <class = void>
  void set_target(Vector<double> target, double y_squared) {
    target_ = std::move(target);
    y_squared_ = y_squared;
  }
  const Vector<double>& target() const { return target_; }

  template <class = void>
  Solution solve(const ElasticNetPenalty& penalty, const StoppingRule& stop, Vector<double> w) {
    load(penalty, w);
    Solution solution;
    Convergence& c = solution.convergence;
    c.tolerance = stop.tol;
    double least = std::numeric_limits<double>::max(), best_dual = 0;
    Index without_progress = 0;
    for (Index iteration = 0;; ++iteration) {
      const Certificate now = certificate(penalty);
      best_dual = std::max(best_dual, now.dual);
      solution.certificate = {now.primal, best_dual, now.size};
      const double gap = relative(now);
      c.value = std::min(gap, relative(solution.certificate));
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
      gram_descent(program_, newton_, 1e-15 * std::sqrt(y_squared_ * std::max(1e-300, norms_.maxCoeff())),
                   10000);
    }
    solution.w = program_.w;
    solution.working_set = program_.size();
    return solution;
  }

 private:
  double relative(const Certificate& certificate) const {
    if (y_squared_ > 0) return certificate.gap() / (0.5 * y_squared_);
    return certificate.primal > 0 ? std::numeric_limits<double>::max() : 0;
  }

  template <class = void>
  void load(const ElasticNetPenalty& penalty, const Vector<double>& w) {
    const Index p = target_.size();
    Vector<double> l2(p);
    program_.l1.resize(p);
    program_.positive = penalty.positive();
    for (Index j = 0; j < p; ++j) {
      const bool unusable = norms_[j] == 0 || penalty.excluded(j);
      program_.l1[j] = unusable ? ElasticNetPenalty::excluded_weight : penalty.l1(j);
      l2[j] = penalty.l2(j);
      program_.w[j] = unusable || (penalty.positive() && w[j] < 0) ? 0 : w[j];
    }
    if (program_.l2.size() != p || l2 != program_.l2) newton_.reset();
    program_.l2 = std::move(l2);
    refresh();
  }

  /// gradient = X̃'Ωỹ - Gw from scratch.
  template <class = void>
  void refresh() {
    program_.gradient = target_;
    for (Index j = 0; j < target_.size(); ++j)
      if (program_.w[j] != 0) program_.gradient -= program_.w[j] * program_.gram.col(j);
  }

  template <class = void>
  Certificate certificate(const ElasticNetPenalty& penalty) {
    refresh();
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
};

}  // namespace sparse_experts
