// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/samples.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/model/sparse_expert_model.hpp>

#include <vector>

/// The slow parts of SparseExpertModel<float> and <double> with the default policies, to be compiled once a
/// program and not once a file; linear/extern_templates.hpp has those of the linear estimators. Define
/// SPARSE_EXPERTS_EXTERN_TEMPLATES in every file that includes the library and add one file with `#include
/// <sparse_experts/model/instantiate.hpp>`, all with the same architecture flags; in CMake link
/// sparse_experts::compiled, which does both.
#define SPARSE_EXPERTS_MODEL_TEMPLATES(PREFIX, SCALAR, ROWS)                                            \
  PREFIX template void SparseExpertModel<SCALAR>::fit_rows(const ROWS<SCALAR>&, const Targets<SCALAR>&, \
                                                           std::vector<int>);                           \
  PREFIX template Matrix<SCALAR>                                                                        \
  detail::Pipeline<SCALAR, Encoder<SCALAR>, ClusterPolicy<SCALAR>, L1SVMExpert<SCALAR>>::score(         \
      const ROWS<SCALAR>&, int) const;
#define SPARSE_EXPERTS_TEMPLATES(PREFIX)                    \
  SPARSE_EXPERTS_MODEL_TEMPLATES(PREFIX, float, DenseRows)  \
  SPARSE_EXPERTS_MODEL_TEMPLATES(PREFIX, float, SparseRows) \
  SPARSE_EXPERTS_MODEL_TEMPLATES(PREFIX, double, DenseRows) \
  SPARSE_EXPERTS_MODEL_TEMPLATES(PREFIX, double, SparseRows)

namespace sparse_experts {
SPARSE_EXPERTS_TEMPLATES(extern)
}  // namespace sparse_experts
