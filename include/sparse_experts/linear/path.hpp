// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/alpha_max.hpp>
#include <sparse_experts/linear/elastic_net_fit.hpp>
#include <sparse_experts/linear/elastic_net_options.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/path_solver.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>

#include <cmath>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts {

struct PathOptions {
  Index n_alphas = 100;           ///< points of the path, geometric from alpha_max down
  double alpha_min_ratio = 1e-3;  ///< last alpha / alpha_max
  double tol = 1e-6;              ///< duality gap of every point relative to Σ ω_i (y_i - ȳ)² / 2
  bool fit_intercept = true;      ///< fit an intercept, which is not penalised
  bool positive = false;          ///< restrict the weights to w >= 0
  Index max_iter = 10000;         ///< outer iterations per point
  LassoSolver solver = LassoSolver::automatic;
  int n_threads = 0;                  ///< 0 = all
  ProgressCallback on_progress = {};  ///< called once per point
  bool standardize = false;           ///< penalise the weights of columns of unit variance
  std::vector<double> penalty_factors =
      {};                           ///< one per feature (0: not penalised, infinity: excluded); empty: ones
  std::vector<double> alphas = {};  ///< given alphas, strictly decreasing and > 0; empty: made from n_alphas
  double l1_ratio = 1;              ///< elastic_net_path only; lasso_path is l1_ratio = 1
  bool screening = true;            ///< Gap Safe screening of columns (see Acceleration): only speed changes
  bool anderson = true;             ///< Anderson extrapolation of sweeps over columns: only speed changes
  bool dual_extrapolation = true;   ///< extrapolated dual points of sweeps over columns: only speed changes
};

/// Solutions along a decreasing sequence of alphas. All in the units of X.
template <class Scalar>
struct RegressionPath {
  std::vector<double> alphas;            ///< n_alphas, decreasing
  SparseMatrix<Scalar> coefs;            ///< p x n_alphas
  Vector<Scalar> intercepts;             ///< n_alphas
  std::vector<Convergence> convergence;  ///< one certificate per alpha, as ElasticNet's
  Index n_passes = 0;                    ///< passes over all columns of X

  /// Every point converged.
  bool converged() const {
    for (const Convergence& c : convergence)
      if (!c) return false;
    return true;
  }
};

namespace detail {

inline void check_options(const PathOptions& options) {
  check_in_unit_interval("l1_ratio", options.l1_ratio);
  check_non_negative("tol", options.tol);
  check_at_least("max_iter", options.max_iter, 1);
  check_at_least("n_threads", options.n_threads, 0);
  if (options.alphas.empty()) {
    check_at_least("n_alphas", options.n_alphas, 1);
    if (!(options.alpha_min_ratio > 0 && options.alpha_min_ratio < 1))
      reject("alpha_min_ratio", options.alpha_min_ratio, "a value in (0, 1)");
    if (options.l1_ratio == 0)
      reject("l1_ratio", 0, "a value > 0 where alphas are not given: alpha_max is infinite");
  }
  for (std::size_t k = 0; k < options.alphas.size(); ++k) {
    const std::string name = entry_name("alphas", static_cast<Index>(k), 0, true);
    check_positive(name, options.alphas[k]);
    if (k > 0 && !(options.alphas[k] < options.alphas[k - 1]))
      reject(name, options.alphas[k], "less than the one before: alphas strictly decrease");
  }
}

/// Geometric from alpha_max to alpha_min_ratio alpha_max. Where alpha_max is 0 every alpha gives the same
/// solution: they start at 1 then.
inline std::vector<double> geometric_alphas(double alpha_max, Index n_alphas, double alpha_min_ratio) {
  const double top = alpha_max > 0 ? alpha_max : 1;
  std::vector<double> alphas(static_cast<std::size_t>(n_alphas));
  for (std::size_t k = 0; k < alphas.size(); ++k)
    alphas[k] = n_alphas == 1 ? top
                              : top * std::pow(alpha_min_ratio,
                                               static_cast<double>(k) / static_cast<double>(n_alphas - 1));
  return alphas;
}

/// The path of one problem over given alphas; visit(k, solution, penalty) sees every point.
template <Design D, class Visit>
void walk_path(const RegressionProblem<D>& problem, PathSolver<D>& solver, const PathOptions& options,
               const Vector<double>& factors, const std::vector<double>& alphas, Visit&& visit) {
  Vector<double> w = Vector<double>::Zero(problem.cols());
  std::vector<ElasticNetPenalty> penalties;
  for (const double alpha : alphas)
    penalties.emplace_back(alpha, options.l1_ratio, options.positive, factors);
  solver.plan(penalties, options.tol, w);
  for (std::size_t k = 0; k < alphas.size(); ++k) {
    const ElasticNetPenalty& penalty = penalties[k];
    Solution solution = solver.solve(penalty, {options.tol, options.max_iter, {}}, std::move(w));
    const Convergence& c = solution.convergence;
    const bool go_on = report_progress(
        options.on_progress, {"path", static_cast<Index>(k) + 1, c.value, c.tolerance, c.objective});
    if (!go_on) solution.convergence.status = Status::stopped;
    visit(k, solution, penalty);
    w = std::move(solution.w);
    if (!go_on) return;
  }
}

template <class Scalar, Design D>
RegressionPath<Scalar> path_of(const RegressionProblem<D>& problem, const PathOptions& options,
                               const Vector<double>& factors) {
  RegressionPath<Scalar> path;
  path.alphas = options.alphas.empty()
                    ? geometric_alphas(alpha_max(problem, options.l1_ratio, options.positive, factors),
                                       options.n_alphas, options.alpha_min_ratio)
                    : options.alphas;
  PathSolver<D> solver(problem, options.solver, static_cast<Index>(path.alphas.size()),
                       {options.screening, options.anderson, options.dual_extrapolation});
  std::vector<Eigen::Triplet<Scalar>> entries;
  std::vector<Scalar> intercepts;
  walk_path(problem, solver, options, factors, path.alphas,
            [&](std::size_t k, const Solution& solution, const ElasticNetPenalty& penalty) {
              const RegressionFit fit = to_fit<Scalar>(problem, penalty, solution);
              for (Index j = 0; j < fit.coef.size(); ++j)
                if (fit.coef[j] != 0)
                  entries.emplace_back(static_cast<int>(j), static_cast<int>(k),
                                       static_cast<Scalar>(fit.coef[j]));
              intercepts.push_back(static_cast<Scalar>(fit.intercept));
              path.convergence.push_back(fit.convergence);
              path.n_passes += fit.n_passes;
            });
  const auto reached = static_cast<Index>(intercepts.size());  // fewer where on_progress stopped the path
  path.alphas.resize(intercepts.size());
  path.coefs.resize(problem.cols(), reached);
  path.coefs.setFromTriplets(entries.begin(), entries.end());
  path.intercepts = Vector<Scalar>::Map(intercepts.data(), reached);
  return path;
}

}  // namespace detail

/// Elastic net along a path of alphas: warm starts, one working set and Cholesky factor (or one Gram) for
/// all, a certificate for every point. Problem, inputs, errors: as ElasticNet. Example:
///   auto path = se::elastic_net_path(X, y, {.n_alphas = 50, .l1_ratio = 0.9});
/// Ref: Friedman, Hastie, Tibshirani, JSS 2010; second order prediction of the active set: Larsson, Wallin,
/// NeurIPS 2022 (here the first Newton step at the new alpha).
template <class X, class Y>
RegressionPath<typename X::Scalar> elastic_net_path(
    const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<Y>& y, const PathOptions& options = PathOptions(),
    const Vector<typename X::Scalar>& sample_weight = Vector<typename X::Scalar>()) {
  using Scalar = typename X::Scalar;
  static_assert(std::is_same_v<Scalar, typename Y::Scalar>, "X and y must have the same scalar type");
  detail::check_options(options);
  const Vector<Scalar> target = detail::checked_target(x.derived(), y.derived());
  detail::check_sample_weights(sample_weight, target.size());
  const Vector<double> factors = detail::checked_factors(options.penalty_factors, x.derived().cols());
  return detail::with_columns(x, [&]<Design D>(const D& design) {
    const RegressionProblem<D> problem(design, target.template cast<double>(),
                                       sample_weight.template cast<double>(),
                                       {options.fit_intercept, options.standardize, options.n_threads});
    detail::check_magnitudes(problem, design, options.n_threads);
    return detail::path_of<Scalar>(problem, options, factors);
  });
}

/// Lasso along a path of alphas: elastic_net_path with l1_ratio = 1.
/// Example:
///   auto path = se::lasso_path(X, y, {.n_alphas = 100, .alpha_min_ratio = 1e-2, .tol = 1e-6});
template <class X, class Y>
RegressionPath<typename X::Scalar> lasso_path(
    const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<Y>& y, PathOptions options = PathOptions(),
    const Vector<typename X::Scalar>& sample_weight = Vector<typename X::Scalar>()) {
  options.l1_ratio = 1;
  return elastic_net_path(x, y, options, sample_weight);
}

/// Smallest alpha at which the Lasso (l1_ratio = 1) or Elastic Net solution is zero.
template <class X, class Y>
double alpha_max(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<Y>& y, double l1_ratio = 1,
                 bool fit_intercept = true) {
  using Scalar = typename X::Scalar;
  static_assert(std::is_same_v<Scalar, typename Y::Scalar>, "X and y must have the same scalar type");
  detail::check_in_unit_interval("l1_ratio", l1_ratio);
  detail::check_positive("l1_ratio", l1_ratio);
  const Vector<Scalar> target = detail::checked_target(x.derived(), y.derived());
  return detail::with_columns(x, [&]<Design D>(const D& design) {
    const RegressionProblem<D> problem(design, target.template cast<double>(), {}, {fit_intercept, false, 0});
    detail::check_magnitudes(problem, design, 0);
    return detail::alpha_max(problem, l1_ratio, false, {});
  });
}

}  // namespace sparse_experts
