// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/plain_loops.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/class_labels.hpp>
#include <sparse_experts/linear/l1_svm_options.hpp>
#include <sparse_experts/losses/margin_loss.hpp>
#include <sparse_experts/solvers/coordinate_newton.hpp>
#include <sparse_experts/solvers/margin_columns.hpp>
#include <sparse_experts/solvers/margin_problem.hpp>
#include <sparse_experts/solvers/proximal_newton.hpp>
#include <sparse_experts/solvers/row_sample.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
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
inline L1SVMSolution one_sided_solution(const MarginProblem& problem, double sign, double tol) {
  // The logistic loss only tends to zero: at 37 it is below the rounding of 1.
  L1SVMSolution solution;
  fill(solution.coef, problem.x.cols(), 0.0);
  solution.intercept = sign * (problem.loss == L1SVMLoss::squared_hinge ? 1 : 37);
  Vector<double> f;
  fill(f, problem.y.size(), solution.intercept);
  solution.convergence = {Status::converged, 0, tol, loss_sum(problem, f), 0};
  return solution;
}

/// The variant that `automatic` stands for. A Gram costs p^2 a violator: for few columns, or dense ones, it
/// is the cheaper model.
inline L1SVMSolver chosen_solver(Index cols, bool dense, L1SVMSolver solver) {
  if (solver != L1SVMSolver::automatic) return solver;
  return cols <= (dense ? 4000 : 1000) ? L1SVMSolver::proximal_newton : L1SVMSolver::working_set;
}

/// A start close to the solution, from a sample of the rows whose costs are raised to the same total. The
/// sample's own solution is not wanted to the last digit: its steps end when one gains less than a
/// thousandth.
inline void start_from_sample(const MarginProblem& problem, L1SVMSolver solver, MarginState& state) {
  const RowSample& rows = *problem.sample;
  MarginProblem part{rows,         rows.take(problem.y), rows.take(problem.c), problem.free_intercept,
                     problem.loss, problem.n_threads};
  const double costs = total(part.c);
  if (!(costs > 0)) return;
  multiply(part.c.data(), part.c.size(), total(problem.c) / costs);
  // A rare class says nothing in few samples.
  Index plus = 0, minus = 0;
  for (Index i = 0; i < part.y.size(); ++i)
    if (part.c[i] > 0) ++(part.y[i] > 0 ? plus : minus);
  if (std::min(plus, minus) < 20) return;
  double before = std::numeric_limits<double>::infinity();
  MarginSettings settings{0, 15, [&](const Convergence& now) {
                            const bool worth = now.objective < 0.999 * before;
                            before = now.objective;
                            return worth;
                          }};
  if (solver == L1SVMSolver::coordinate_newton)
    CoordinateNewton(part, state).solve(settings);
  else
    ProximalNewton(part, state, solver == L1SVMSolver::proximal_newton).solve(settings);
}

inline L1SVMSolution solve_margin_problem(const MarginProblem& problem, L1SVMSolver solver,
                                          const L1SVMSolution& warm_start, const MarginSettings& settings) {
  if (problem.free_intercept) {
    double plus = 0, minus = 0;
    for (Index i = 0; i < problem.y.size(); ++i) (problem.y[i] > 0 ? plus : minus) += problem.c[i];
    if (plus == 0 || minus == 0) return one_sided_solution(problem, minus == 0 ? 1 : -1, settings.tol);
  }
  MarginState state;
  state.coef = warm_start.coef;
  if (state.coef.size() == 0) fill(state.coef, problem.x.cols(), 0.0);
  state.intercept = problem.free_intercept ? warm_start.intercept : 0;
  L1SVMSolution solution;
  solver = chosen_solver(problem.x.cols(), problem.x.dense(), solver);
  if (warm_start.coef.size() == 0 && problem.sample) start_from_sample(problem, solver, state);
  if (solver == L1SVMSolver::coordinate_newton)
    solution.convergence = CoordinateNewton(problem, state).solve(settings);
  else
    solution.convergence =
        ProximalNewton(problem, state, solver == L1SVMSolver::proximal_newton).solve(settings);
  solution.coef = std::move(state.coef);
  solution.intercept = state.intercept;
  return solution;
}

/// Columns of a design as the options ask for them: with a constant one where the bias is penalised. One
/// object serves all classes.
template <Design D>
DesignColumns<D> margin_columns(const D& design, const L1SVMOptions& options) {
  const bool bias_column = options.fit_intercept && options.penalize_intercept;
  const L1SVMSolver solver = chosen_solver(design.cols() + bias_column, DenseDesign<D>, options.solver);
  return DesignColumns<D>(design, options.n_threads, bias_column ? options.intercept_scaling : 0,
                          solver == L1SVMSolver::proximal_newton);
}

/// A sample of the rows that serves all classes, where the Gram of all rows is the largest part of the cost;
/// else nothing.
inline std::unique_ptr<RowSample> row_sample(const MarginColumns& x, const L1SVMOptions& options) {
  if (chosen_solver(x.cols(), x.dense(), options.solver) != L1SVMSolver::proximal_newton || x.rows() < 8000 ||
      sums_pairs(x.share()))
    return nullptr;
  return std::make_unique<RowSample>(x, options.n_threads);
}

/// The binary problem without checks; `costs` are C times the weights of the samples.
inline L1SVMSolution solve_l1_svm_signs(const MarginColumns& columns, const RowSample* sample,
                                        Vector<double> signs, Vector<double> costs,
                                        const L1SVMOptions& options, const L1SVMSolution& warm_start,
                                        const MarginSettings& settings, GramStep* gram_step = nullptr,
                                        MarginScreening* screening = nullptr) {
  const bool bias_column = options.fit_intercept && options.penalize_intercept;
  const MarginProblem problem{
      columns,      std::move(signs),  std::move(costs), options.fit_intercept && !bias_column,
      options.loss, options.n_threads, sample,           gram_step,
      screening};
  if (!bias_column) return solve_margin_problem(problem, options.solver, warm_start, settings);
  const double scaling = options.intercept_scaling;
  L1SVMSolution start;
  if (warm_start.coef.size() > 0) {
    start.coef.resize(columns.cols());
    std::copy(warm_start.coef.data(), warm_start.coef.data() + warm_start.coef.size(), start.coef.data());
    start.coef[columns.cols() - 1] = warm_start.intercept / scaling;
  }
  L1SVMSolution solution = solve_margin_problem(problem, options.solver, start, settings);
  solution.intercept = scaling * solution.coef[columns.cols() - 1];
  solution.coef.conservativeResize(columns.cols() - 1);
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
  Vector<double> costs = sample_weight;
  if (costs.size() == 0) detail::fill(costs, design.rows(), 1.0);
  costs = detail::sample_costs(options.C, std::move(costs));
  detail::MarginSettings settings{options.tol, options.max_iter, {}};
  if (options.on_progress)
    settings.on_iteration = [&](const Convergence& now) {
      return options.on_progress({"l1_svm", now.n_iter, now.value, now.tolerance, now.objective});
    };
  const auto columns = detail::margin_columns(design, options);
  const auto sample = warm_start.coef.size() > 0 ? nullptr : detail::row_sample(columns, options);
  return detail::solve_l1_svm_signs(columns, sample.get(), signs, std::move(costs), options, warm_start,
                                    settings);
}

}  // namespace sparse_experts
