// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/model/policies.hpp>

#include <utility>

namespace sparse_experts {

/// Options of the L1-SVM experts; the meaning is that of L1SVMOptions.
struct L1SVMExpertOptions {
  double C = 1;                                 ///< weight of the loss against |W|_1, > 0
  double tol = 1e-3;                            ///< duality gap / primal value
  L1SVMLoss loss = L1SVMLoss::squared_hinge;    ///< loss of the margins
  ClassWeights class_weight = {};               ///< none, balanced or given
  L1SVMSolver solver = L1SVMSolver::automatic;  ///< variant
  Index max_iter = 1000;                        ///< outer iterations a class
};

/// Experts of a classifier: one convex L1-SVM per class (one in all for two classes) over the lifted
/// features.
template <class Scalar>
class L1SVMExpert {
 public:
  using Options = L1SVMExpertOptions;
  static constexpr bool is_classifier = true;

  explicit L1SVMExpert(L1SVMExpertOptions options = L1SVMExpertOptions()) : options_(std::move(options)) {}

  template <Design D>
  Convergence fit(const D& design, const Targets<Scalar>& targets, const StageContext& context) {
    L1SVMOptions options;
    options.C = options_.C;
    options.tol = options_.tol;
    options.loss = options_.loss;
    options.class_weight = options_.class_weight;
    options.solver = options_.solver;
    options.max_iter = options_.max_iter;
    options.n_threads = context.n_threads;
    options.on_progress = context.on_progress;
    L1SVM<Scalar> svm(options);
    Convergence certificate = svm.fit_design(design, targets.classes);
    if (certificate.status == Status::stalled && options.solver == L1SVMSolver::automatic) {
      // The slowest variant is the most patient one.
      options.solver = L1SVMSolver::coordinate_newton;
      L1SVM<Scalar> patient(options);
      if (const Convergence again = patient.fit_design(design, targets.classes);
          again.value < certificate.value) {
        certificate = again;
        svm = std::move(patient);
      }
    }
    coef_ = svm.coef();
    intercept_ = svm.intercept();
    return certificate;
  }

  const Matrix<Scalar>& coef() const { return coef_; }            ///< n_features x q
  const Vector<Scalar>& intercept() const { return intercept_; }  ///< q

 private:
  L1SVMExpertOptions options_;
  Matrix<Scalar> coef_;
  Vector<Scalar> intercept_;
};

}  // namespace sparse_experts
