// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/penalties/elastic_net.hpp>
#include <sparse_experts/solvers/evaluation.hpp>
#include <sparse_experts/solvers/regression_problem.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sparse_experts::detail {

/// Smallest alpha at which all penalised weights are zero: max_j |c_j| / (l1_ratio f_j) over the correlations
/// of the residual that is left by the intercept and the columns without penalty. 0 for a target that these
/// explain, and where every factor is zero. One pass over X.
template <Design D>
double alpha_max(const RegressionProblem<D>& problem, double l1_ratio, bool positive,
                 const Vector<double>& factors) {
  const ElasticNetPenalty unit(1, l1_ratio, positive, factors);
  Evaluation<D> evaluation(problem, unit);
  Vector<double> w = Vector<double>::Zero(problem.cols());
  evaluation.measure(w);
  double largest = 0;
  for (Index j = 0; j < problem.cols(); ++j) {
    if (problem.squared_norm()[j] == 0 || unit.excluded(j) || unit.l1(j) == 0) continue;
    const double c = evaluation.correlations()[j];
    largest = std::max(largest, (positive ? std::max(0.0, c) : std::abs(c)) / unit.l1(j));
  }
  // What is left of a target that is explained to rounding is no signal. The last digits go up, so that a fit
  // there, which rounds its correlations in another order, finds exactly zero.
  return largest <= 1e-14 * std::sqrt(2 * problem.null_objective()) ? 0 : largest * (1 + 1e-13);
}

}  // namespace sparse_experts::detail
