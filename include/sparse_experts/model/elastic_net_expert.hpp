// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/linear/elastic_net_fit.hpp>
#include <sparse_experts/model/policies.hpp>
#include <sparse_experts/model/sparse_expert_model.hpp>

#include <utility>

namespace sparse_experts {

/// Options of the Elastic Net experts; the meaning is that of ElasticNetOptions.
struct ElasticNetExpertOptions {
  double alpha = 1e-3;    ///< strength of the penalty
  double l1_ratio = 1.0;  ///< share of the L1 norm in it, in [0, 1]
  double tol = 1e-4;      ///< duality gap relative to the objective of w = 0
  bool positive = false;  ///< restrict the weights to W >= 0
  Index max_iter = 10000;
};

/// Experts of a regression: one Elastic Net over the lifted features.
template <class Scalar>
class ElasticNetExpert {
 public:
  using Options = ElasticNetExpertOptions;
  static constexpr bool is_classifier = false;

  explicit ElasticNetExpert(ElasticNetExpertOptions options = ElasticNetExpertOptions())
      : options_(std::move(options)) {}

  template <Design D>
  Convergence fit(const D& design, const Targets<Scalar>& targets, const StageContext& context) {
    ElasticNetOptions options;
    options.alpha = options_.alpha;
    options.l1_ratio = options_.l1_ratio;
    options.tol = options_.tol;
    options.positive = options_.positive;
    options.max_iter = options_.max_iter;
    options.n_threads = context.n_threads;
    options.on_progress = context.on_progress;
    const RegressionFit fit =
        fit_elastic_net(design, Vector<double>(targets.values.template cast<double>()), options);
    coef_ = fit.coef.template cast<Scalar>();
    intercept_ = Vector<Scalar>::Constant(1, static_cast<Scalar>(fit.intercept));
    return fit.convergence;
  }

  const Matrix<Scalar>& coef() const { return coef_; }            ///< n_features x 1
  const Vector<Scalar>& intercept() const { return intercept_; }  ///< 1

 private:
  ElasticNetExpertOptions options_;
  Matrix<Scalar> coef_;
  Vector<Scalar> intercept_;
};

/// The model for real targets: SparseExpertModel with Elastic Net experts.
///     SparseExpertRegressor<double> model({.clustering = {.n_clusters = 4}, .expert = {.alpha = 1e-3}});
///     model.fit(X, y);  model.predict(X_new);  model.score(X_new, y_new);   // R^2
template <class Scalar, Representation<Scalar> R = Encoder<Scalar>,
          Clustering<Scalar> C = ClusterPolicy<Scalar>>
using SparseExpertRegressor = SparseExpertModel<Scalar, R, C, ElasticNetExpert<Scalar>>;

}  // namespace sparse_experts
