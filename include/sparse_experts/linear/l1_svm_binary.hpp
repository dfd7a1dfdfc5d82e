// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/l1_svm_options.hpp>
#include <sparse_experts/losses/logistic.hpp>
#include <sparse_experts/losses/squared_hinge.hpp>
#include <sparse_experts/solvers/bias_column.hpp>
#include <sparse_experts/solvers/column_step.hpp>
#include <sparse_experts/solvers/coordinate_newton.hpp>
#include <sparse_experts/solvers/gram_step.hpp>
#include <sparse_experts/solvers/margin_problem.hpp>
#include <sparse_experts/solvers/proximal_newton.hpp>

#include <cmath>
#include <utility>

namespace sparse_experts {

/// Solution of one binary problem; in double whatever the scalar of the design.
struct L1SVMSolution {
  Vector<double> coef;  ///< p
  double intercept = 0;
  Convergence convergence;  ///< value = duality gap / primal value
};

namespace detail {

/// One side carries no weight and b is free: w = 0 and a large enough b have no loss.
template <MarginLoss Loss, Design D>
L1SVMSolution one_sided_solution(const MarginProblem<D>& problem, double sign, double tol) {
  // The logistic loss only tends to zero: at 37 it is below the rounding of 1.
  L1SVMSolution solution;
  solution.coef.setZero(problem.design.cols());
  solution.intercept = sign * (Loss::max_slope > 1 ? 1 : 37);
  const Vector<double> f = Vector<double>::Constant(problem.y.size(), solution.intercept);
  solution.convergence = {Status::converged, 0, tol, loss_sum<Loss>(problem.y, problem.c, f), 0};
  return solution;
}

template <MarginLoss Loss, Design D>
L1SVMSolution solve_margin_problem(const MarginProblem<D>& problem, const L1SVMOptions& options,
                                   const L1SVMSolution& warm_start, const MarginSettings& settings) {
  if (problem.free_intercept) {
    double plus = 0, minus = 0;
    for (Index i = 0; i < problem.y.size(); ++i) (problem.y[i] > 0 ? plus : minus) += problem.c[i];
    if (plus == 0 || minus == 0) return one_sided_solution<Loss>(problem, minus == 0 ? 1 : -1, settings.tol);
  }
  MarginState state;
  state.coef = warm_start.coef.size() > 0 ? warm_start.coef : Vector<double>::Zero(problem.design.cols());
  state.intercept = problem.free_intercept ? warm_start.intercept : 0;
  ColumnReader<D> reader(problem.design);
  L1SVMSolution solution;
  // A Gram costs p^2 a violator: for few columns, or dense ones, it is the cheaper model.
  L1SVMSolver solver = options.solver;
  if (solver == L1SVMSolver::automatic)
    solver = problem.design.cols() <= (DenseDesign<D> ? 4000 : 1000) ? L1SVMSolver::proximal_newton
                                                                     : L1SVMSolver::working_set;
  if (solver == L1SVMSolver::coordinate_newton)
    solution.convergence = CoordinateNewton<Loss, D>(problem, reader, state).solve(settings);
  else if (solver == L1SVMSolver::working_set)
    solution.convergence = ProximalNewton<Loss, D, ColumnStep>(problem, reader, state).solve(settings);
  else
    solution.convergence =
        ProximalNewton<Loss, D, GramStep<double, D>>(problem, reader, state).solve(settings);
  solution.coef = std::move(state.coef);
  solution.intercept = state.intercept;
  return solution;
}

template <Design D>
L1SVMSolution dispatch_loss(const MarginProblem<D>& problem, const L1SVMOptions& options,
                            const L1SVMSolution& warm_start, const MarginSettings& settings) {
  if (options.loss == L1SVMLoss::logistic)
    return solve_margin_problem<Logistic>(problem, options, warm_start, settings);
  return solve_margin_problem<SquaredHinge>(problem, options, warm_start, settings);
}

/// The binary problem without checks; `costs` are C times the weights of the samples.
template <Design D>
L1SVMSolution solve_l1_svm_signs(const D& design, Vector<double> signs, Vector<double> costs,
                                 const L1SVMOptions& options, const L1SVMSolution& warm_start,
                                 const MarginSettings& settings) {
  if (!options.fit_intercept || !options.penalize_intercept)
    return dispatch_loss(MarginProblem<D>{design, std::move(signs), std::move(costs), options.fit_intercept},
                         options, warm_start, settings);
  const double scaling = options.intercept_scaling;
  const BiasColumn<D> extended(design, static_cast<typename D::Scalar>(scaling));
  L1SVMSolution start;
  if (warm_start.coef.size() > 0) {
    start.coef.resize(design.cols() + 1);
    start.coef << warm_start.coef, warm_start.intercept / scaling;
  }
  L1SVMSolution solution =
      dispatch_loss(MarginProblem<BiasColumn<D>>{extended, std::move(signs), std::move(costs), false},
                    options, start, settings);
  solution.intercept = scaling * solution.coef[design.cols()];
  solution.coef.conservativeResize(design.cols());
  return solution;
}

}  // namespace detail

/// One binary L1-SVM on any design:
///   min_{w, b} |w|_1 + C sum_i omega_i l(y_i (x_i'w + b)),  X: n x p, y in {-1, 1}^n
/// b is not penalised, unless options.penalize_intercept, where |b| / intercept_scaling is added. The
/// certificate is the duality gap / primal value at the returned w and b. class_weight is not used here.
///   signs          n values, each -1 or 1; all of one sign gives w = 0
///   sample_weight  omega: empty (ones) or n values >= 0, not all zero
///   warm_start     a solution of a near problem, or nothing
/// Throws std::invalid_argument on bad sizes or values.
template <Design D>
L1SVMSolution l1_svm_binary(const D& design, const Vector<double>& signs, const L1SVMOptions& options,
                            const Vector<double>& sample_weight = {}, const L1SVMSolution& warm_start = {}) {
  detail::check_l1_svm_options(options);
  detail::check_not_empty(design.rows(), design.cols(), "X");
  detail::check_size("signs.size()", signs.size(), design.rows(), "X.rows()");
  for (Index i = 0; i < signs.size(); ++i)
    if (signs[i] != 1 && signs[i] != -1)
      detail::reject(detail::entry_name("signs", i, 0, true), signs[i], "-1 or 1");
  detail::check_sample_weights(sample_weight, design.rows());
  if (warm_start.coef.size() > 0) {
    detail::check_size("warm_start.coef.size()", warm_start.coef.size(), design.cols(), "X.cols()");
    detail::check_finite(warm_start.coef, "warm_start.coef");
  }
  Vector<double> costs = Vector<double>::Constant(design.rows(), options.C);
  if (sample_weight.size() > 0) costs = costs.cwiseProduct(sample_weight);
  detail::MarginSettings settings{options.tol, options.max_iter, {}};
  if (options.on_progress)
    settings.on_iteration = [&](const Convergence& now) {
      return options.on_progress({"l1_svm", now.n_iter, now.value, now.tolerance, now.objective});
    };
  return detail::solve_l1_svm_signs(design, signs, std::move(costs), options, warm_start, settings);
}

}  // namespace sparse_experts
