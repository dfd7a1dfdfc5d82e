// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/parallel.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/linear/l1_svm_binary.hpp>
#include <sparse_experts/linear/l1_svm_options.hpp>
#include <sparse_experts/solvers/margin_columns.hpp>

#include <atomic>
#include <cstddef>
#include <vector>

namespace sparse_experts::detail {

/// One binary L1-SVM a class, one in all for two classes, whose positive side is the larger label. Classes in
/// parallel, all on the same columns; `costs` are C times the weights of the samples, `stage` names the
/// reports to options.on_progress.
template <class = void>
std::vector<L1SVMSolution> solve_one_vs_rest(const MarginColumns& columns, const LabelVector& labels,
                                             const std::vector<int>& classes, const Vector<double>& costs,
                                             const L1SVMOptions& options, const char* stage) {
  const Index n_problems = classes.size() == 2 ? 1 : static_cast<Index>(classes.size());
  std::vector<L1SVMSolution> solutions(static_cast<std::size_t>(n_problems));
  const auto sample = row_sample(columns, options);
  std::atomic<bool> stop{false};
  parallel_blocks(n_problems, 1, options.n_threads, [&](const Block& block) {
    const int positive = classes[static_cast<std::size_t>(n_problems == 1 ? 1 : block.id)];
    Vector<double> signs(labels.size());
    for (Index i = 0; i < signs.size(); ++i) signs[i] = labels[i] == positive ? 1 : -1;
    MarginSettings settings{options.tol, options.max_iter, {}};
    if (options.on_progress)
      settings.on_iteration = [&](const Convergence& now) {
        // Worker 0 is the thread that called fit.
        if (block.worker == 0 &&
            !options.on_progress({stage, now.n_iter, now.value, now.tolerance, now.objective}))
          stop = true;
        return !stop;
      };
    solutions[static_cast<std::size_t>(block.id)] =
        solve_l1_svm_signs(columns, sample.get(), signs, costs, options, {}, settings);
  });
  return solutions;
}

/// The solutions as a model keeps them; returns the certificates.
template <class Scalar>
std::vector<Convergence> take_solutions(const std::vector<L1SVMSolution>& solutions, Index n_features,
                                        Matrix<Scalar>& coef, Vector<Scalar>& intercept) {
  const auto q = static_cast<Index>(solutions.size());
  coef.resize(n_features, q);
  intercept.resize(q);
  std::vector<Convergence> certificates;
  for (Index c = 0; c < q; ++c) {
    const L1SVMSolution& solution = solutions[static_cast<std::size_t>(c)];
    for (Index j = 0; j < n_features; ++j) coef(j, c) = static_cast<Scalar>(solution.coef[j]);
    intercept[c] = static_cast<Scalar>(solution.intercept);
    certificates.push_back(solution.convergence);
  }
  return certificates;
}

}  // namespace sparse_experts::detail
