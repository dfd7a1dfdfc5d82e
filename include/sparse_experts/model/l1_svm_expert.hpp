// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/linear/class_labels.hpp>
#include <sparse_experts/linear/l1_svm_binary.hpp>
#include <sparse_experts/linear/l1_svm_options.hpp>
#include <sparse_experts/linear/one_vs_rest.hpp>
#include <sparse_experts/model/policies.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace sparse_experts {

/// Options of the L1-SVM experts; the meaning is that of L1SVMOptions.
struct L1SVMExpertOptions {
  double C = 1;                                 ///< weight of the loss against |W|_1, > 0
  double tol = 1e-3;                            ///< duality gap / primal value
  ClassWeights class_weight = {};               ///< none, balanced or given, by label
  L1SVMSolver solver = L1SVMSolver::automatic;  ///< variant
  Index max_iter = 1000;                        ///< outer iterations a class
};

/// Experts of a classifier: one convex L1-SVM (squared hinge, free bias) per class (one in all for two
/// classes) over the lifted features.
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
    options.class_weight = options_.class_weight;
    options.solver = options_.solver;
    options.max_iter = options_.max_iter;
    options.n_threads = context.n_threads;
    options.on_progress = context.on_progress;
    detail::check_l1_svm_options(options);
    const std::vector<int> classes = detail::distinct_labels(targets.classes);
    const Vector<double> costs = detail::sample_costs(
        options.C, detail::combined_weights(targets.classes, classes, by_class(targets, classes), {}));
    const std::vector<L1SVMSolution> solutions = detail::solve_one_vs_rest(
        detail::margin_columns(design, options), targets.classes, classes, costs, options, "experts");
    return detail::worst_of(detail::take_solutions(solutions, design.cols(), coef_, intercept_));
  }

  const Matrix<Scalar>& coef() const { return coef_; }            ///< n_features x q
  const Vector<Scalar>& intercept() const { return intercept_; }  ///< q

 private:
  // The given weights, whose keys are labels, by the numbers of the classes at hand: a fold may lack one.
  ClassWeights by_class(const Targets<Scalar>& targets, const std::vector<int>& classes) const {
    ClassWeights weights{options_.class_weight.balanced, {}};
    for (const auto& [label, weight] : options_.class_weight.given) {
      int number = label;
      if (!targets.labels.empty()) {
        const std::size_t at = detail::class_of(targets.labels, label);
        if (at == targets.labels.size() || targets.labels[at] != label)
          detail::reject("label in expert.class_weight.given", label, "a label that occurs");
        number = static_cast<int>(at);
      }
      if (std::binary_search(classes.begin(), classes.end(), number)) weights.given[number] = weight;
    }
    return weights;
  }

  L1SVMExpertOptions options_;
  Matrix<Scalar> coef_;
  Vector<Scalar> intercept_;
};

}  // namespace sparse_experts
