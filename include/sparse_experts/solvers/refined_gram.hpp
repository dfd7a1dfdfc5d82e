// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/duality_gap.hpp>
#include <sparse_experts/solvers/exact_products.hpp>
#include <sparse_experts/solvers/gram.hpp>
#include <sparse_experts/solvers/gram_descent.hpp>
#include <sparse_experts/solvers/panel_gram.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>
#include <sparse_experts/solvers/support_newton.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace sparse_experts {

/// Lasso and Elastic Net on a Gram F of all columns that is summed in single precision, at half the time, and
/// corrected by products with the exact Gram G for a few vectors: the error F - G of an entry is at most
/// ε |x_i| |x_j|, proven and not estimated (float_sum_error).
///   The weights of a path are found on F first. Some of them become knots: V, with the exact GV from one
///   pass over X. Every point is then s + d, s on the line between two knots, and is solved again with the
///   gradient c - Gs - Fd. What F hides, |(G - F) d|_j <= ε |x_j| Σ_i |x_i| |d_i|, is charged to the
///   certificate. Knots are as far apart as that charge allows.
/// Where it does not reach the tolerance (columns dependent up to float rounding), a Gram in doubles takes
/// over. Cost: the Gram in floats, one pass over X per path and n p per knot. Ref: iterative refinement in
/// mixed precision: Higham, Accuracy and Stability of Numerical Algorithms, ch. 12.
template <Design D>
class RefinedGram {
  static_assert(detail::dense_columns<D>);

 public:
  explicit RefinedGram(const RegressionProblem<D>& problem)
      : problem_(&problem), length_(problem.squared_norm().cwiseSqrt()) {
    const Index p = problem.cols();
    Vector<double> unit(p);
    for (Index j = 0; j < p; ++j) unit[j] = length_[j] > 0 ? 1 / length_[j] : 0;
    detail::Correlations correlations(problem);
    detail::panel_gram<float>(problem, unit, program_.gram, &correlations);
    target_ = correlations.finish(problem);
    for (Index j = 0; j < p; ++j)
      program_.gram.col(j) = length_[j] * length_.cwiseProduct(program_.gram.col(j));
  }

  /// On F, known already, and the exact X̃'Ωỹ.
  RefinedGram(const RegressionProblem<D>& problem, GramData data)
      : problem_(&problem), target_(std::move(data.target)), length_(problem.squared_norm().cwiseSqrt()) {
    program_.gram = std::move(data.gram);
  }

  /// Single precision pays where the Gram is most of the work; columns without penalty need exact gradients.
  static bool suits(const RegressionProblem<D>& problem) {
    const double n = static_cast<double>(problem.rows()), p = static_cast<double>(problem.cols());
    return problem.cols() >= 200 && n * p * p >= 1e9;
  }
  static bool suits(const RegressionProblem<D>& problem, const ElasticNetPenalty& penalty) {
    for (Index j = 0; j < problem.cols(); ++j)
      if (penalty.unpenalized(j)) return false;
    return true;
  }

  /// The problem has another target.
  void target_changed() {
    problem_->correlations(problem_->weighted(problem_->target()), target_);
    points_.clear();
    next_ = 0;
    if (exact_) exact_->set_target(target_, 2 * problem_->null_objective());
  }

  /// The penalties of the solves that follow, in their order.
  void plan(const std::vector<ElasticNetPenalty>& penalties, double tol, Vector<double> w) {
    if (exact_) return;
    const auto count = static_cast<Index>(penalties.size());
    points_.assign(penalties.size(), {});
    next_ = 0;
    start_.resize(problem_->cols(), count);
    for (Index k = 0; k < count; ++k) {
      minimise(penalties[static_cast<std::size_t>(k)], w, target_, 1e-9);
      w = program_.w;
      start_.col(k) = w;
    }
    choose_knots(penalties, tol);
    if (8 * knots_.cols() > problem_->cols() + 8) {
      fall_back();
      return;
    }
    hidden_ = correction(knots_);
  }

  Solution solve(const ElasticNetPenalty& penalty, const StoppingRule& stop, Vector<double> w) {
    if (!exact_ && next_ == points_.size()) plan({penalty}, stop.tol, w);
    if (exact_) return solve_exactly(penalty, stop, std::move(w));
    const Point& point = points_[next_];
    w = start_.col(static_cast<Index>(next_++));
    Vector<double> base = combine(knots_, point), hidden = combine(hidden_, point);
    Solution solution;
    Convergence& c = solution.convergence;
    c.tolerance = stop.tol;
    double last = std::numeric_limits<double>::max();
    for (Index iteration = 1;; ++iteration) {
      minimise(penalty, w, target_ - hidden, iteration == 1 ? 1e-3 * stop.tol : 0);
      w = program_.w;
      solution.certificate = certificate(penalty, w - base, hidden);
      c.value = detail::relative_gap(solution.certificate, 2 * problem_->null_objective());
      c.objective = solution.certificate.primal;
      c.n_iter = iteration;
      c.status = c.value <= stop.tol ? Status::converged : Status::max_iter;
      const bool go_on =
          detail::report_progress(stop.on_progress, {"lasso", iteration, c.value, stop.tol, c.objective});
      if (c.status == Status::max_iter && !go_on) c.status = Status::stopped;
      if (c.status != Status::max_iter || iteration >= stop.max_iter) break;
      if (!(c.value < 0.1 * last)) {
        fall_back();
        return solve_exactly(penalty, stop, std::move(w));
      }
      last = c.value;
      base = w;
      hidden = correction(base);
    }
    solution.w = std::move(w);
    solution.working_set = problem_->cols();
    solution.n_passes = std::exchange(n_passes_, 0);
    return solution;
  }

 private:
  /// Where a point of the path is compared with knots: s = share v_left + (1 - share) v_right; -1: v = 0.
  struct Point {
    Index left = -1, right = -1;
    double share = 0;
  };

  static Vector<double> combine(const Matrix<double>& columns, const Point& point) {
    Vector<double> sum = Vector<double>::Zero(columns.rows());
    if (point.left >= 0) sum += point.share * columns.col(point.left);
    if (point.right >= 0) sum += (1 - point.share) * columns.col(point.right);
    return sum;
  }

  double size(const Vector<double>& d) const { return length_.dot(d.cwiseAbs()); }

  /// (G - F) v.
  Matrix<double> correction(const Matrix<double>& v) {
    ++n_passes_;
    Matrix<double> q = detail::exact_products(*problem_, v);
    for (Index k = 0; k < v.cols(); ++k)
      for (Index j = 0; j < v.rows(); ++j)
        if (v(j, k) != 0) q.col(k) -= v(j, k) * program_.gram.col(j);
    return q;
  }

  void minimise(const ElasticNetPenalty& penalty, const Vector<double>& w, const Vector<double>& target,
                double tol) {
    const Vector<double>& norms = problem_->squared_norm();
    detail::load_penalty(penalty, norms, w, program_, newton_);
    detail::refresh_gradient(target, program_);
    gram_descent(program_, newton_, std::max(tol, 1e-15) * std::sqrt(2 * problem_->null_objective()), 1000);
  }

  /// What d = w - s costs the certificate at most, roughly: the box of the dual point shrinks.
  double price(const ElasticNetPenalty& penalty, const Vector<double>& w, const Vector<double>& d) const {
    double box = 0, slack = size(w);
    for (Index j = 0; j < w.size(); ++j)
      if (penalty.l1(j) > 0) box = std::max(box, length_[j] / penalty.l1(j));
    double l1 = 0;
    for (Index j = 0; j < w.size(); ++j)
      if (w[j] != 0) l1 += penalty.l1(j) * std::abs(w[j]);
    slack = std::max(slack, box * l1);
    const double hidden = size(d);
    return detail::float_sum_error * hidden * (slack + hidden);
  }

  /// From 0 on, each interval as long as its inner points can afford.
  void choose_knots(const std::vector<ElasticNetPenalty>& penalties, double tol) {
    const double budget = 0.7 * tol * problem_->null_objective();
    const Index count = start_.cols();
    std::vector<Index> chosen;
    const Vector<double> zero = Vector<double>::Zero(problem_->cols());
    for (Index left = -1; left < count - 1;) {
      const Vector<double> from = left < 0 ? zero : Vector<double>(start_.col(left));
      const auto knot = static_cast<Index>(chosen.size());
      std::vector<double> shares, tried;
      Index right = left + 1;
      for (Index next = right + 1; next < count; ++next) {
        tried.clear();
        bool affordable = true;
        const Vector<double> to = start_.col(next), line = length_.cwiseProduct(from - to);
        for (Index k = left + 1; k < next && affordable; ++k) {
          const Vector<double> w = start_.col(k);
          const double share =
              line.squaredNorm() > 0 ? line.dot(length_.cwiseProduct(w - to)) / line.squaredNorm() : 0;
          const Vector<double> d = w - to - share * (from - to);
          affordable = price(penalties[static_cast<std::size_t>(k)], w, d) <= budget;
          tried.push_back(share);
        }
        if (!affordable) break;
        right = next;
        shares = tried;
      }
      for (Index k = left + 1; k < right; ++k)
        points_[static_cast<std::size_t>(k)] = {knot - 1, knot,
                                                shares[static_cast<std::size_t>(k - left - 1)]};
      points_[static_cast<std::size_t>(right)] = {-1, knot, 0};
      chosen.push_back(right);
      left = right;
    }
    knots_.resize(problem_->cols(), static_cast<Index>(chosen.size()));
    for (std::size_t m = 0; m < chosen.size(); ++m) knots_.col(static_cast<Index>(m)) = start_.col(chosen[m]);
  }

  /// At the weights of the program, for d = w - s and (G - F) s. With Gw known up to (G - F) d,
  /// r'Ωr = ỹ'Ωỹ - w'c - w'g + d'(G - F)s up to d'(G - F)d; every term is taken at the worse end.
  Certificate certificate(const ElasticNetPenalty& penalty, const Vector<double>& d,
                          const Vector<double>& hidden) const {
    const Vector<double>& w = program_.w;
    const double y_squared = 2 * problem_->null_objective(), moved = size(d), all = size(w);
    const double error = detail::float_sum_error * moved;
    const double y_dot_v = y_squared - w.dot(target_);
    const double r_dot_v = std::max(0.0, y_dot_v - w.dot(program_.gradient) + d.dot(hidden) + error * moved);
    Vector<double> c = program_.gradient;
    for (Index j = 0; j < c.size(); ++j)
      c[j] += penalty.positive() ? error * length_[j] : std::copysign(error * length_[j], c[j]);
    const double terms = y_squared + (all + moved) * (std::sqrt(y_squared) + all + moved);
    return {0.5 * r_dot_v + penalty_value(penalty, w),
            dual_point(penalty, w, problem_->squared_norm(), c, y_dot_v, r_dot_v).value, terms};
  }

  void fall_back() {
    program_ = {};
    newton_.reset();
    GramData data;
    detail::panel_gram<double>(*problem_, Vector<double>::Ones(problem_->cols()), data.gram);
    data.target = target_;
    data.y_squared = 2 * problem_->null_objective();
    exact_.emplace(std::move(data), problem_->squared_norm());
    ++n_passes_;
  }

  Solution solve_exactly(const ElasticNetPenalty& penalty, const StoppingRule& stop, Vector<double> w) {
    if (!detail::all_finite(w.data(), w.size())) w.setZero();
    Solution solution = exact_->solve(penalty, stop, std::move(w));
    solution.n_passes = std::exchange(n_passes_, 0);
    return solution;
  }

  const RegressionProblem<D>* problem_;
  Vector<double> target_, length_;
  GramProgram program_;  // its Gram is F
  SupportNewton newton_;
  Matrix<double> start_;  // weights on F, one column per planned point
  Matrix<double> knots_, hidden_;
  std::vector<Point> points_;
  std::size_t next_ = 0;
  std::optional<GramSolver> exact_;
  Index n_passes_ = 1;  // since the last solution was returned
};

}  // namespace sparse_experts
