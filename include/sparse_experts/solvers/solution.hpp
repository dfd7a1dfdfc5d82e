// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/solvers/duality_gap.hpp>

namespace sparse_experts {

/// When a solver of a regression stops, and whom it tells.
struct StoppingRule {
  double tol = 1e-6;             ///< duality gap relative to the objective of w = 0
  Index max_iter = 10000;        ///< outer iterations
  ProgressCallback on_progress;  ///< called once per outer iteration
};

/// What a solver of a regression returns, in the units of the RegressionProblem.
struct Solution {
  Vector<double> w;         ///< p weights
  Convergence convergence;  ///< relative duality gap, recomputed at w
  Certificate certificate;  ///< best dual objective seen, and the primal one at w
  Index n_passes = 0;       ///< passes over all columns of X
  Index working_set = 0;    ///< largest working set (p for solvers without one)
};

}  // namespace sparse_experts
