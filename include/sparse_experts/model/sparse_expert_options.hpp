// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/progress.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>
#include <sparse_experts/model/gate.hpp>
#include <sparse_experts/model/output_layer.hpp>
#include <sparse_experts/model/scaler.hpp>

#include <cstdint>

namespace sparse_experts {

/// What the clustering and the gate look at.
enum class ClusterOn {
  codes,  ///< the codes s
  input   ///< the scaled samples
};

/// Options of SparseExpertModel with the policies R (representation), C (clustering) and E (expert).
template <class R, class C, class E>
struct SparseExpertOptions {
  Scaling scaling = Scaling::center_unit_norm;  ///< of the samples, before anything else
  typename R::Options representation = {};      ///< step 1
  typename C::Options clustering = {};          ///< step 2
  ClusterOn cluster_on = ClusterOn::codes;      ///< what step 2 and the gate see
  GateOptions gate = {};                        ///< step 3
  double rho = 1;                               ///< weight of the shared expert's features, >= 0
  typename E::Options expert = {};              ///< step 4
  OutputLayerOptions output = {};               ///< step 5 (classifiers)
  std::uint64_t seed = 0;                       ///< of every random choice
  int n_threads = 0;                            ///< 0 = all; never changes a bit of the result
  ProgressCallback on_progress = {};            ///< called once per iteration of any stage; false stops
};

}  // namespace sparse_experts
