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

/// Components of the solvers that may be switched off, to see what they are worth: the solution is the same.
struct Acceleration {
  bool screening = true;           ///< Gap Safe screening: cyclic, and single fits by working_set
  bool anderson = true;            ///< Anderson extrapolation of the sweeps over columns
  bool dual_extrapolation = true;  ///< extrapolated dual points where sweeps over columns are certified
};

/// What they did.
struct AccelerationCounts {
  Index n_screened = 0;             ///< columns proved to be zero at the optimum before the end
  Index n_extrapolations = 0;       ///< extrapolated weights that lowered the objective
  Index n_dual_extrapolations = 0;  ///< extrapolated dual points that were the best so far
};

/// What a solver of a regression returns, in the units of the RegressionProblem.
struct Solution {
  Vector<double> w;         ///< p weights
  Convergence convergence;  ///< relative duality gap, recomputed at w
  Certificate certificate;  ///< best dual objective seen, and the primal one at w
  Index n_passes = 0;       ///< passes over all columns of X
  Index working_set = 0;    ///< largest working set (p for solvers without one)
  AccelerationCounts counts;
};

}  // namespace sparse_experts
