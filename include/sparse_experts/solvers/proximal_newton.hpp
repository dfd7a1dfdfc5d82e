// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/column_step.hpp>
#include <sparse_experts/solvers/coordinate_newton.hpp>
#include <sparse_experts/solvers/gram_step.hpp>
#include <sparse_experts/solvers/margin_dual.hpp>
#include <sparse_experts/solvers/margin_line_search.hpp>
#include <sparse_experts/solvers/margin_problem.hpp>
#include <sparse_experts/solvers/margin_screening.hpp>
#include <sparse_experts/solvers/newton_model.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

/// Proximal Newton with a working set of columns:
///   min_{w, b} |w|_1 + sum_i c_i l(y_i f_i),  f = Xw + b,  X: n x p
/// Each step minimises q'd + d'Hd / 2 + |w + d|_1 over the working set, H = X' diag(c_i l''(y_i f_i)) X (for
/// the squared hinge only rows with y_i f_i < 1 count: the violators) with b eliminated, and searches the
/// line. The model is minimised on the Gram of the violators or on their packed columns. Near the solution
/// the violators and the support stand still, and for the squared hinge one more step is exact. The dual
/// point of the model's minimum, its negative entries cut off, is offered to the certificate: it breaks
/// constraints only by what those entries weigh. Cost a step: two passes over X, the model, one pass over the
/// columns that moved. Ref: Lee, Sun, Saunders, SIAM J. Optim. 24 (2014); Yuan, Ho, Lin, JMLR 13 (2012).
namespace sparse_experts::detail {

class ProximalNewton {
 public:
  ProximalNewton(const MarginProblem& problem, MarginState& state, bool use_gram)
      : problem_(problem),
        state_(state),
        use_gram_(use_gram),
        own_gram_step_(problem.x, problem.n_threads),
        gram_step_(problem.gram_step ? *problem.gram_step : own_gram_step_),
        column_step_(problem.x),
        polish_(problem, state) {}

  Convergence solve(const MarginSettings& settings) {
    const bool all = !screens() || settings.max_iter == 0;
    Convergence result = all ? certify_all(settings.tol) : look(settings.tol, false);
    if (result && !all) result = certify_all(settings.tol);
    double last_objective = std::numeric_limits<double>::infinity();
    Index idle = 0;
    bool crawls = false;
    for (Index iteration = 1; iteration <= settings.max_iter && !result; ++iteration) {
      double violation = choose_columns();
      if (model_.columns.empty() && screens()) {
        result = certify_all(settings.tol);
        if (result) break;
        violation = choose_columns();
      }
      if (model_.columns.empty()) {
        // All weights are zero and none is wanted: what is left of the gap is rounding.
        result.status = Status::stalled;
        return result;
      }
      // A model too loose to move anything is summed and solved better the next time.
      if (idle > 0 || crawls) gram_step_.use_doubles();
      const double accuracy = 0.1 * std::pow(0.01, static_cast<double>(idle));
      take_step(violation, accuracy, result.objective);
      last_objective = result.objective;
      const bool last = iteration == settings.max_iter || idle > 0;
      result = last ? certify_all(settings.tol) : look(settings.tol, true);
      if (result && !last) result = certify_all(settings.tol);
      result.n_iter = iteration;
      if (settings.on_iteration && !settings.on_iteration(result)) {
        result = certify_all(settings.tol);
        result.n_iter = iteration;
        result.status = Status::stopped;
        return result;
      }
      idle = result.objective < last_objective ? 0 : idle + 1;
      crawls = last_objective - result.objective <= 1e-6 * result.objective;
      if (!result && idle == 5) {
        result.status = Status::stalled;
        return result;
      }
    }
    return result;
  }

 private:
  static constexpr double short_step = 0.9;

  bool screens() const { return problem_.screening && problem_.screening->active(); }

  /// Where the solver stands, on the columns that have not been left out.
  Convergence look(double tol, bool keep_scores) {
    if (!screens()) return certify(problem_, state_, tol, best_dual_, correlations_, keep_scores);
    return certify(problem_, state_, tol, part_dual_, correlations_, keep_scores,
                   &problem_.screening->columns());
  }
  /// The certificate of the whole problem.
  Convergence certify_all(double tol) {
    const Convergence result = certify(problem_, state_, tol, best_dual_, correlations_);
    if (problem_.screening) {
      if (screens()) {
        problem_.screening->take_back(correlations_);
        // What has come back makes the problem of the part another one.
        part_dual_ = -std::numeric_limits<double>::infinity();
      }
      problem_.screening->ended(correlations_);
    }
    return result;
  }

  // Working set: the support and the columns that violate most, at least as many as the support; returns the
  // largest violation. A column at zero violates by |x_j'(y a)| - 1, one in use by |x_j'(y a) - sign w_j|.
  double choose_columns() {
    std::vector<Index>& working = model_.columns;
    working.clear();
    candidates_.clear();
    double largest = 0;
    for (Index j = 0; j < problem_.x.cols(); ++j) {
      const double w = state_.coef[j], v = correlations_[j];
      if (w != 0) {
        working.push_back(j);
        largest = std::max(largest, std::abs(v - (w > 0 ? 1 : -1)));
      } else if (std::abs(v) > 1) {
        candidates_.push_back(j);
        largest = std::max(largest, std::abs(v) - 1);
      }
    }
    const std::size_t first = use_gram_ ? GramStep::first_columns : ColumnStep::first_columns;
    const std::size_t room = std::max<std::size_t>(first, working.size());
    if (candidates_.size() > room) {
      std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(room),
                       candidates_.end(), [&](Index a, Index b) {
                         const double va = std::abs(correlations_[a]), vb = std::abs(correlations_[b]);
                         return va != vb ? va > vb : a < b;
                       });
      candidates_.resize(room);
    }
    working.insert(working.end(), candidates_.begin(), candidates_.end());
    std::sort(working.begin(), working.end());
    return largest;
  }

  void take_step(double violation, double accuracy, double objective) {
    const Index n = problem_.y.size(), m = static_cast<Index>(model_.columns.size());
    const auto column = [&](Index k) { return model_.columns[static_cast<std::size_t>(k)]; };
    model_.slope.resize(m);
    model_.start.resize(m);
    for (Index k = 0; k < m; ++k) {
      model_.slope[k] = -correlations_[column(k)];
      model_.start[k] = state_.coef[column(k)];
    }
    loss_curvature(problem_, state_.f, model_.curvature);
    // No violator at all: the model that counts every row leads back to where some are.
    if (!(largest(model_.curvature) > 0)) {
      model_.curvature = problem_.c;
      multiply(model_.curvature.data(), n, 2.0);
    }
    model_.unit = 2 * largest(problem_.c);
    model_.free_intercept = problem_.free_intercept;
    model_.tol = accuracy * violation;
    const Vector<double> target = use_gram_ ? gram_step_.minimise(model_) : column_step_.minimise(model_);

    Vector<double> move = target;
    add_multiple(-1.0, model_.start.data(), move.data(), m);
    fill(df_, n, 0.0);
    for (Index k = 0; k < m; ++k)
      if (move[k] != 0) problem_.x.run(column(k)).axpy(move[k], df_.data());
    double shift = 0;
    if (problem_.free_intercept) {
      const double sum = total(model_.curvature);
      if (sum > 0) shift = -inner_product(model_.curvature, df_) / sum;
      add_constant(df_.data(), n, shift);
    }
    // What the model promises at the full step: d'q + d'Hd / 2 + |w + d|_1 - |w|_1.
    double bend = 0;
    for (Index i = 0; i < n; ++i) bend += model_.curvature[i] * df_[i] * df_[i];
    const double promise = inner_product(model_.slope, move) + 0.5 * bend + absolute_total(target) -
                           absolute_total(model_.start);
    const LinePoint end = search_line(problem_, objective, promise, model_.start, move, state_.f, df_);
    for (Index k = 0; k < m; ++k)
      state_.coef[column(k)] = end.t == 1 ? target[k] : model_.start[k] + end.t * move[k];
    state_.intercept += end.t * shift;
    // A short step means that few columns hold all others back (their rows leave or enter the violators on
    // the way): one exact visit of each sets them right.
    add_multiple(end.t, df_.data(), state_.f.data(), n);
    if (end.t < short_step) polish_.visit(model_.columns);
  }

  const MarginProblem& problem_;
  MarginState& state_;
  bool use_gram_;
  GramStep own_gram_step_;
  GramStep& gram_step_;
  ColumnStep column_step_;
  CoordinateNewton polish_;
  double best_dual_ = -std::numeric_limits<double>::infinity();
  double part_dual_ = -std::numeric_limits<double>::infinity();  // of the columns that are not left out
  NewtonModel model_;
  Vector<double> correlations_, df_;
  std::vector<Index> candidates_;
};

}  // namespace sparse_experts::detail
