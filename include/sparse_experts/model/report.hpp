// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/convergence.hpp>
#include <sparse_experts/core/types.hpp>

#include <sstream>
#include <string>
#include <vector>

namespace sparse_experts {

/// Certificate and time of one stage of a fit.
struct StageReport {
  std::string name;         ///< scaling, representation, clustering, gate, experts, output layer
  Convergence convergence;  ///< what the stage guarantees
  double seconds = 0;       ///< wall clock
};

/// What a fit of SparseExpertModel did.
struct Report {
  std::vector<StageReport> stages;  ///< in the order of the pipeline
  Index n_samples = 0;
  Index n_features = 0;     ///< p
  Index n_components = 0;   ///< k
  Index n_experts = 0;      ///< K, without the shared expert
  Index n_outputs = 0;      ///< q
  double code_density = 0;  ///< share of non-zeros in the codes of the training samples
  double mean_active = 0;   ///< experts a sample reaches on average, without the shared one
  double zero_weights = 0;  ///< share of zeros in W
  Index n_weights = 0;      ///< non-zeros in W

  /// True when every stage converged.
  explicit operator bool() const {
    for (const StageReport& stage : stages)
      if (!stage.convergence) return false;
    return true;
  }

  /// Certificate of a stage; a default one (not converged) if there is no such stage.
  Convergence stage(const std::string& name) const {
    for (const StageReport& one : stages)
      if (one.name == name) return one.convergence;
    return {};
  }

  /// One readable paragraph.
  std::string brief() const {
    std::ostringstream out;
    out.precision(3);
    double seconds = 0;
    for (const StageReport& one : stages) seconds += one.seconds;
    out << n_samples << " samples with " << n_features << " features, " << n_outputs
        << (n_outputs == 1 ? " output; " : " outputs; ") << n_components << " components, "
        << 100 * code_density << " % of the codes non-zero; " << n_experts
        << " experts beside the shared one, " << mean_active << " active per sample; " << n_weights
        << " weights (" << 100 * zero_weights << " % zeros); " << seconds << " s.";
    for (const StageReport& one : stages)
      out << ' ' << one.name << ": " << to_string(one.convergence.status) << ' ' << one.convergence.value
          << " (tol " << one.convergence.tolerance << ", " << one.convergence.n_iter << " iterations, "
          << one.seconds << " s).";
    return out.str();
  }
};

}  // namespace sparse_experts
