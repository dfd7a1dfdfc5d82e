// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <vector>

namespace sparse_experts {

/// Certificates of a batch of codes.
struct CodingReport {
  Convergence
      convergence;  ///< value = largest gap of a sample, objective = mean objective, n_iter = most iterations
  double mean_gap = 0;        ///< mean relative duality gap
  double max_gap = 0;         ///< largest relative duality gap
  double mean_objective = 0;  ///< mean of 1/2 |x - D's|^2 + alpha |s|_1 + alpha2/2 |s|^2
  Index n_unconverged = 0;    ///< samples whose gap is above tol
  double density = 0;         ///< share of non-zero entries of the codes
};

namespace detail {

/// Sums of certificates, added in the order of the blocks.
struct CodingSums {
  double gap = 0, max_gap = 0, objective = 0;
  Index unconverged = 0, most_iterations = 0;

  void add(const Convergence& one) {
    gap += one.value;
    max_gap = std::max(max_gap, one.value);
    objective += one.objective;
    unconverged += one ? 0 : 1;
    most_iterations = std::max(most_iterations, one.n_iter);
  }
  void add(const CodingSums& other) {
    gap += other.gap;
    max_gap = std::max(max_gap, other.max_gap);
    objective += other.objective;
    unconverged += other.unconverged;
    most_iterations = std::max(most_iterations, other.most_iterations);
  }
};

template <class = void>
CodingReport make_report(const std::vector<CodingSums>& sums, double tol, Index n_samples, Index n_components,
                         Index n_nonzeros) {
  CodingSums all;
  for (const CodingSums& sum : sums) all.add(sum);
  const auto n = static_cast<double>(std::max<Index>(1, n_samples));
  CodingReport report;
  report.convergence = {all.unconverged == 0 ? Status::converged : Status::max_iter, all.max_gap, tol,
                        all.objective / n, all.most_iterations};
  report.mean_gap = all.gap / n;
  report.max_gap = all.max_gap;
  report.mean_objective = all.objective / n;
  report.n_unconverged = all.unconverged;
  report.density = static_cast<double>(n_nonzeros) / (n * static_cast<double>(n_components));
  return report;
}

}  // namespace detail

}  // namespace sparse_experts
