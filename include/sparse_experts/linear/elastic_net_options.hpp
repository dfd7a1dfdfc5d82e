// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/lasso_solver.hpp>

#include <string>
#include <vector>

namespace sparse_experts {

struct ElasticNetOptions {
  double alpha = 1.0;         ///< strength of the penalty
  double l1_ratio = 0.5;      ///< share of the L1 norm in it, in [0, 1]
  double tol = 1e-6;          ///< duality gap relative to Σ ω_i (y_i - ȳ)² / 2
  bool fit_intercept = true;  ///< fit an intercept, which is not penalised
  bool positive = false;      ///< restrict the weights to w >= 0
  Index max_iter = 10000;     ///< outer iterations (sweeps of cyclic, steps of fista and lars)
  LassoSolver solver = LassoSolver::automatic;
  int n_threads = 0;  ///< 0 = all
  ProgressCallback on_progress = {};
  bool standardize =
      false;  ///< penalise the weights of columns of unit variance; coef() is in the units of X
  std::vector<double> penalty_factors =
      {};                          ///< one per feature (0: not penalised, infinity: excluded); empty: ones
  bool warm_start = false;         ///< start from the coefficients of the last fit
  bool screening = true;           ///< Gap Safe screening of columns (see Acceleration): only speed changes
  bool anderson = true;            ///< Anderson extrapolation of sweeps over columns: only speed changes
  bool dual_extrapolation = true;  ///< extrapolated dual points of sweeps over columns: only speed changes
};

namespace detail {

/// Factors as the penalty wants them: infinity becomes ElasticNetPenalty::excluded_weight.
template <class = void>
Vector<double> checked_factors(const std::vector<double>& factors, Index n_features) {
  Vector<double> checked(static_cast<Index>(factors.size()));
  if (factors.empty()) return checked;
  check_size("penalty_factors.size()", checked.size(), n_features, "one per column of X");
  for (Index j = 0; j < n_features; ++j) {
    const double factor = factors[static_cast<std::size_t>(j)];
    const bool infinite = !is_finite(factor) && factor > 0;
    if (!infinite && !(is_finite(factor) && factor >= 0))
      reject(entry_name("penalty_factors", j, 0, true), factor, "a value >= 0 or infinity");
    checked[j] = infinite ? ElasticNetPenalty::excluded_weight : factor;
  }
  return checked;
}

/// y as one contiguous vector that fits X.
template <class X, class Y>
Vector<typename X::Scalar> checked_target(const X& x, const Y& y) {
  check_not_empty(x.rows(), x.cols(), "X");
  check_size("y.rows()", y.rows(), x.rows(), "X.rows()");
  check_size("y.cols()", y.cols(), 1, "one target");
  Vector<typename X::Scalar> target = y;
  check_finite(target, "y");
  return target;
}

inline void check_options(const ElasticNetOptions& options) {
  check_non_negative("alpha", options.alpha);
  check_in_unit_interval("l1_ratio", options.l1_ratio);
  check_non_negative("tol", options.tol);
  check_at_least("max_iter", options.max_iter, 1);
  check_at_least("n_threads", options.n_threads, 0);
}

}  // namespace detail

}  // namespace sparse_experts
