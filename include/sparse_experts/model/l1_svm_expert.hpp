// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/design.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/linear/class_labels.hpp>
#include <sparse_experts/linear/l1_svm_binary.hpp>
#include <sparse_experts/linear/l1_svm_options.hpp>
#include <sparse_experts/model/policies.hpp>
#include <sparse_experts/solvers/margin_problem.hpp>

#include <algorithm>
#include <atomic>
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
    detail::check_l1_svm_options(options);
    const std::vector<int> classes = detail::distinct_labels(targets.classes);
    const Vector<double> costs = detail::sample_costs(
        options.C, detail::combined_weights(targets.classes, classes, by_class(targets, classes), {}));
    const Index q = classes.size() == 2 ? 1 : static_cast<Index>(classes.size());
    Matrix<Scalar> coef(design.cols(), q);
    Vector<Scalar> intercept(q);
    std::vector<Convergence> certificates(static_cast<std::size_t>(q));
    const auto columns = detail::margin_columns(design, options);
    const auto sample = detail::row_sample(columns, options);
    std::atomic<bool> stop{false};
    detail::parallel_blocks(q, 1, context.n_threads, [&](const detail::Block& block) {
      const int positive = classes[static_cast<std::size_t>(q == 1 ? 1 : block.id)];
      Vector<double> signs(design.rows());
      for (Index i = 0; i < signs.size(); ++i) signs[i] = targets.classes[i] == positive ? 1 : -1;
      detail::MarginSettings settings{options.tol, options.max_iter, {}};
      if (context.on_progress)
        settings.on_iteration = [&](const Convergence& now) {
          // Worker 0 is the thread that called fit.
          if (block.worker == 0 &&
              !context.on_progress({"experts", now.n_iter, now.value, now.tolerance, now.objective}))
            stop = true;
          return !stop;
        };
      const L1SVMSolution solution =
          detail::solve_l1_svm_signs(columns, sample.get(), signs, costs, options, {}, settings);
      for (Index j = 0; j < coef.rows(); ++j) coef(j, block.id) = static_cast<Scalar>(solution.coef[j]);
      intercept[block.id] = static_cast<Scalar>(solution.intercept);
      certificates[static_cast<std::size_t>(block.id)] = solution.convergence;
    });
    coef_ = std::move(coef);
    intercept_ = std::move(intercept);
    return detail::worst_of(certificates);
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
