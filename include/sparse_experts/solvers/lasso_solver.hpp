// SPDX-License-Identifier: MIT
#pragma once

namespace sparse_experts {

/// Which solver fits a Lasso or an Elastic Net; all of them reach the same certified solution.
enum class LassoSolver {
  automatic,    ///< by shape and density
  cyclic,       ///< cyclic coordinate descent over all columns: the plain baseline
  gram,         ///< the p x p Gram once, everything else on it: n >> p
  working_set,  ///< growing working set with its Gram and Newton steps on the support: p >> n, sparse X
  fista,        ///< accelerated proximal gradient
  lars,         ///< homotopy from alpha_max: exact, one step per change of the support
  refined_gram  ///< gram in single precision, corrected by exact products: dense X, large n >> p
};

}  // namespace sparse_experts
