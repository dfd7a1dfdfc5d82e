// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/elastic_net_options.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/duality_gap.hpp>
#include <sparse_experts/solvers/path_solver.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>

#include <cmath>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sparse_experts {

/// A fitted sparse linear regression, in the units of X.
struct RegressionFit {
  Vector<double> coef;  ///< p
  double intercept = 0;
  Convergence convergence;  ///< duality gap relative to Σ ω_i (y_i - ȳ)² / 2
  Index n_passes = 0;       ///< passes over all columns of X
  Index working_set = 0;    ///< largest working set
  AccelerationCounts counts = {};
};

namespace detail {

/// Throws where X or y hold what no sum of squares can: names the entry that is not finite, or says that the
/// values are too large.
template <Design D>
void check_magnitudes(const RegressionProblem<D>& problem, const D& design, int n_threads) {
  if (!is_finite(problem.null_objective()))
    reject("sum of squares of y", problem.null_objective(), "a finite value: scale y");
  if (problem.finite()) return;
  if constexpr (requires { design.matrix().size(); }) check_finite_columns(design, n_threads);
  for (Index j = 0; j < problem.cols(); ++j)
    if (!is_finite(problem.squared_norm()[j]))
      reject("sum of squares of " + entry_name("X.col", j, 0, true), problem.squared_norm()[j],
             "a finite value: scale X");
}

/// Coefficients as the caller's Scalar will hold them; where that changes them, the certificate is measured
/// again at the rounded ones, against the dual value found before.
template <class Scalar, Design D>
RegressionFit to_fit(const RegressionProblem<D>& problem, const ElasticNetPenalty& penalty,
                     const Solution& solution) {
  RegressionFit fit;
  std::tie(fit.coef, fit.intercept) = problem.original_units(solution.w);
  fit.convergence = solution.convergence;
  fit.n_passes = solution.n_passes;
  fit.working_set = solution.working_set;
  fit.counts = solution.counts;
  const double unit = problem.null_objective();
  // What is lost of an intercept that balances columns far from zero.
  const double lost = problem.intercept_rounding(fit.coef);
  Convergence& c = fit.convergence;
  if constexpr (!std::is_same_v<Scalar, double>) {
    fit.coef = fit.coef.template cast<Scalar>().template cast<double>();
    const Vector<double> w = problem.scaled_units(fit.coef);
    const double exact = problem.original_units(w).second;
    fit.intercept = static_cast<double>(static_cast<Scalar>(exact));
    const double shift = std::abs(fit.intercept - exact) + lost;
    const Vector<double> r = problem.residual(w);
    c.objective = 0.5 * (r.dot(problem.weighted(r)) + shift * shift) + penalty_value(penalty, w);
    c.value =
        unit > 0 ? Certificate{c.objective, solution.certificate.dual, solution.certificate.size}.gap() / unit
                 : 0;
  } else if (unit > 0) {
    c.value += 0.5 * lost * lost / unit;
  }
  if (c.status == Status::converged && c.value > c.tolerance) c.status = Status::stalled;
  return fit;
}

}  // namespace detail

/// Lasso / Elastic Net on any Design: what the estimators call, and the way to fit designs that are no
/// matrices (the gated design, a user's own). X and y are taken as checked.
///   min_{w,b}  1/2 Σ_i ω_i (y_i - x_i'w - b)² + alpha Σ_j f_j (l1_ratio |w_j| + (1 - l1_ratio)/2 w_j²)
/// with ω = sample_weight / Σ sample_weight (empty: 1/n) and f the penalty factors.
///   design          n x p; only rows, cols, dot, axpy, squared_norm are needed (for_each makes it faster)
///   y               n targets
///   sample_weight   n weights, or empty
///   warm_start      p coefficients to start from, or empty
/// Example:
///   se::RegressionFit fit = se::fit_elastic_net(gated, y, {.alpha = 0.01, .l1_ratio = 1.0});
template <Design D>
RegressionFit fit_elastic_net(const D& design, const Vector<double>& y, const ElasticNetOptions& options = {},
                              const Vector<double>& sample_weight = {},
                              const Vector<double>& warm_start = {}) {
  detail::check_options(options);
  detail::check_not_empty(design.rows(), design.cols(), "X");
  detail::check_size("y.size()", y.size(), design.rows(), "X.rows()");
  detail::check_finite(y, "y");
  detail::check_sample_weights(sample_weight, design.rows());
  const ElasticNetPenalty penalty(options.alpha, options.l1_ratio, options.positive,
                                  detail::checked_factors(options.penalty_factors, design.cols()));
  if (warm_start.size() > 0) {
    detail::check_size("warm_start.size()", warm_start.size(), design.cols(), "X.cols()");
    detail::check_finite(warm_start, "warm_start");
  }
  const RegressionProblem<D> problem(design, y, sample_weight,
                                     {options.fit_intercept, options.standardize, options.n_threads});
  detail::check_magnitudes(problem, design, options.n_threads);
  Vector<double> start = warm_start.size() > 0 ? problem.scaled_units(warm_start)
                                               : Vector<double>(Vector<double>::Zero(design.cols()));
  PathSolver<D> solver(problem, options.solver, 1,
                       {options.screening, options.anderson, options.dual_extrapolation});
  const StoppingRule stop{options.tol, options.max_iter, options.on_progress};
  return detail::to_fit<typename D::Scalar>(problem, penalty, solver.solve(penalty, stop, std::move(start)));
}

}  // namespace sparse_experts
