// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/linear/elastic_net_fit.hpp>
#include <sparse_experts/linear/elastic_net_options.hpp>
#include <sparse_experts/linear/linear_model.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/path_solver.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>
#include <sparse_experts/solvers/solution.hpp>

#include <type_traits>
#include <utility>
#include <vector>

namespace sparse_experts {

/// Elastic net regression with a certificate:
///   min_{w,b}  1/(2 Σω) Σ_i ω_i (y_i - x_i'w - b)² + alpha Σ_j f_j (l1_ratio |w_j| + (1 - l1_ratio)/2 w_j²)
/// X: n x p dense or sparse in any storage order, w: p, ω sample weights (default 1), f penalty factors
/// (default 1). l1_ratio = 1 is the Lasso, l1_ratio = 0 the ridge.
/// convergence().value is the duality gap relative to the objective of w = 0: the objective of coef() exceeds
/// the optimum by at most that share. It holds for the coefficients as they are returned, rounded to Scalar.
/// Row-major matrices are copied once; column-major ones are used where they are.
/// Throws std::invalid_argument for bad input, before any work; the previous fit then stays as it is.
/// Example:
///   se::ElasticNet<float> enet({.alpha = 0.1, .l1_ratio = 0.5});
///   if (!enet.fit(X, y)) std::cerr << "gap " << enet.convergence().value << '\n';
///   se::Vector<float> y_hat = enet.predict(X_new);
/// Ref: Zou, Hastie, JRSS B 2005; solvers: see LassoSolver.
template <class Scalar>
class ElasticNet : public LinearModel<Scalar> {
 public:
  explicit ElasticNet(ElasticNetOptions options = ElasticNetOptions())
      : ElasticNet(std::move(options), "ElasticNet") {}

  const ElasticNetOptions& options() const { return options_; }

  /// y: n targets, or n x q for q of them at once; sample_weight: n values >= 0, or empty.
  template <class X, class Y>
  const Convergence& fit(const Eigen::EigenBase<X>& x, const Eigen::MatrixBase<Y>& y,
                         const Vector<Scalar>& sample_weight = Vector<Scalar>()) {
    static_assert(std::is_same_v<typename X::Scalar, Scalar> && std::is_same_v<typename Y::Scalar, Scalar>,
                  "X and y must have the scalar type of the model");
    detail::check_options(options_);
    detail::check_not_empty(x.derived().rows(), x.derived().cols(), "X");
    detail::check_size("y.rows()", y.rows(), x.derived().rows(), "X.rows()");
    detail::check_at_least("y.cols()", y.cols(), 1);
    const Matrix<Scalar> targets = y.derived();
    detail::check_finite(targets, "y");
    detail::check_sample_weights(sample_weight, targets.rows());
    detail::checked_factors(options_.penalty_factors, x.derived().cols());
    detail::with_columns(x, [&](const auto& design) {
      fit_design(design, targets.template cast<double>(), sample_weight.template cast<double>());
    });
    return this->convergence();
  }

 protected:
  ElasticNet(ElasticNetOptions options, const char* name)
      : LinearModel<Scalar>(name), options_(std::move(options)) {}

 private:
  template <Design D>
  void fit_design(const D& design, const Matrix<double>& targets, const Vector<double>& sample_weight);

  ElasticNetOptions options_;
};

// Outside of the class: inline it could not be an extern template.
template <class Scalar>
template <Design D>
void ElasticNet<Scalar>::fit_design(const D& design, const Matrix<double>& targets,
                                    const Vector<double>& sample_weight) {
  const Index p = design.cols(), q = targets.cols();
  const ElasticNetPenalty penalty(options_.alpha, options_.l1_ratio, options_.positive,
                                  detail::checked_factors(options_.penalty_factors, p));
  RegressionProblem<D> problem(design, targets.col(0), sample_weight,
                               {options_.fit_intercept, options_.standardize, options_.n_threads});
  detail::check_magnitudes(problem, design, options_.n_threads);
  const bool warm =
      options_.warm_start && this->is_fitted() && this->n_features() == p && this->n_targets() == q;
  Matrix<Scalar> coefs(p, q);
  RowVector<Scalar> intercepts(q);
  std::vector<Convergence> convergences;
  PathSolver<D> solver(problem, options_.solver, q,
                       {options_.screening, options_.anderson, options_.dual_extrapolation});
  const StoppingRule stop{options_.tol, options_.max_iter, options_.on_progress};
  for (Index k = 0; k < q; ++k) {
    if (k > 0) {
      problem.set_target(targets.col(k));
      solver.target_changed();
    }
    Vector<double> start = Vector<double>::Zero(p);
    if (warm) start = problem.scaled_units(this->coefs().col(k).template cast<double>());
    const RegressionFit fit =
        detail::to_fit<Scalar>(problem, penalty, solver.solve(penalty, stop, std::move(start)));
    coefs.col(k) = fit.coef.template cast<Scalar>();
    intercepts[k] = static_cast<Scalar>(fit.intercept);
    convergences.push_back(fit.convergence);
    if (fit.convergence.status == Status::stopped) {
      // The targets after a stop keep zero weights, and say so.
      coefs.rightCols(q - k - 1).setZero();
      intercepts.tail(q - k - 1).setZero();
      convergences.resize(static_cast<std::size_t>(q), fit.convergence);
      break;
    }
  }
  this->set(std::move(coefs), std::move(intercepts), std::move(convergences));
}

}  // namespace sparse_experts

#if defined(SPARSE_EXPERTS_EXTERN_TEMPLATES)
#include <sparse_experts/linear/extern_templates.hpp>
#endif
