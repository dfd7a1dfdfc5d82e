// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

namespace sparse_experts {

/// Why a solve ended.
enum class Status {
  converged,  ///< value <= tolerance
  max_iter,   ///< the iteration limit was reached first
  stalled,    ///< progress fell below rounding before the tolerance was reached
  stopped     ///< on_progress returned false; the result is the best iterate so far
};

constexpr const char* to_string(Status status) {
  switch (status) {
    case Status::converged:
      return "converged";
    case Status::max_iter:
      return "max_iter";
    case Status::stalled:
      return "stalled";
    case Status::stopped:
      return "stopped";
  }
  return "unknown";
}

/// Certificate of a solve. `value` and `tolerance` have the same unit, which the solver documents
/// (for convex solvers: a relative duality gap); `value` is recomputed after the last step.
struct Convergence {
  Status status = Status::max_iter;
  double value = 0;      ///< the quantity compared with the tolerance
  double tolerance = 0;  ///< what was asked for
  double objective = 0;  ///< objective at the returned solution
  Index n_iter = 0;      ///< outer iterations

  explicit constexpr operator bool() const { return status == Status::converged; }
};

}  // namespace sparse_experts
