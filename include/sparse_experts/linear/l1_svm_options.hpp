// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/losses/margin_loss.hpp>

#include <map>
#include <string>

namespace sparse_experts {

/// Solver variants of the L1-SVM; all reach the same solution with the same certificate.
enum class L1SVMSolver {
  automatic,          ///< chosen by shape and density
  coordinate_newton,  ///< coordinate descent Newton with line search and shrinking: the baseline
  working_set,        ///< proximal Newton on packed columns of a working set: sparse data, many features
  proximal_newton     ///< proximal Newton on the Gram of the margin violators: dense data, moderate p
};

/// Weights of the classes; they multiply the weights of their samples.
struct ClassWeights {
  bool balanced = false;             ///< n / (number of classes * n of the class), weights of samples counted
  std::map<int, double> given = {};  ///< label -> weight; 1 for labels not named
};

/// Options of L1SVM.
struct L1SVMOptions {
  double C = 1;                                 ///< weight of the loss against |w|_1, > 0
  double tol = 1e-4;                            ///< stop at duality gap / primal value <= tol
  L1SVMLoss loss = L1SVMLoss::squared_hinge;    ///< loss of the margins
  bool fit_intercept = true;                    ///< a bias, not penalised
  bool penalize_intercept = false;              ///< penalise it like a weight, as LIBLINEAR -s 5 does
  ClassWeights class_weight = {};               ///< none, balanced or given
  int n_threads = 0;                            ///< threads over classes; 0 = all
  L1SVMSolver solver = L1SVMSolver::automatic;  ///< variant
  Index max_iter = 1000;                        ///< outer iterations a class
  double intercept_scaling = 1;                 ///< penalised bias: value of its constant feature
  ProgressCallback on_progress = {};            ///< called once per outer iteration; false stops
};

namespace detail {

inline void check_l1_svm_options(const L1SVMOptions& options) {
  check_positive("C", options.C);
  check_non_negative("tol", options.tol);
  check_at_least("max_iter", options.max_iter, 0);
  check_at_least("n_threads", options.n_threads, 0);
  check_positive("intercept_scaling", options.intercept_scaling);
  for (const auto& [label, weight] : options.class_weight.given)
    check_non_negative("class_weight.given[" + std::to_string(label) + ']', weight);
  if (options.class_weight.balanced && !options.class_weight.given.empty())
    reject("class_weight.given.size()", options.class_weight.given.size(), "0 when balanced");
}

}  // namespace detail

}  // namespace sparse_experts
