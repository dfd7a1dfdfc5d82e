// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/linear/elastic_net.hpp>
#include <sparse_experts/linear/elastic_net_options.hpp>

#include <utility>
#include <vector>

namespace sparse_experts {

struct LassoOptions {
  double alpha = 1.0;         ///< strength of the L1 penalty
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

/// Lasso with a certificate:
///   min_{w,b}  1/(2 Σω) Σ_i ω_i (y_i - x_i'w - b)² + alpha Σ_j f_j |w_j|
/// X: n x p dense or sparse in any storage order, w: p, ω sample weights (default 1), f penalty factors
/// (default 1). w = 0 exactly where alpha >= alpha_max(X, y). Inputs, certificate and errors: as ElasticNet.
/// Example:
///   se::Lasso<double> lasso({.alpha = 0.1, .tol = 1e-6});
///   lasso.fit(X, y);
///   std::cout << lasso.coef().transpose() << " gap " << lasso.convergence().value << '\n';
/// Ref: Tibshirani, JRSS B 1996; solvers: see LassoSolver.
template <class Scalar>
class Lasso : public ElasticNet<Scalar> {
 public:
  explicit Lasso(LassoOptions options = LassoOptions())
      : ElasticNet<Scalar>({.alpha = options.alpha,
                            .l1_ratio = 1,
                            .tol = options.tol,
                            .fit_intercept = options.fit_intercept,
                            .positive = options.positive,
                            .max_iter = options.max_iter,
                            .solver = options.solver,
                            .n_threads = options.n_threads,
                            .on_progress = std::move(options.on_progress),
                            .standardize = options.standardize,
                            .penalty_factors = std::move(options.penalty_factors),
                            .warm_start = options.warm_start,
                            .screening = options.screening,
                            .anderson = options.anderson,
                            .dual_extrapolation = options.dual_extrapolation},
                           "Lasso") {}
};

}  // namespace sparse_experts
