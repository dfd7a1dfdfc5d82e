// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/columns.hpp>
#include <sparse_experts/core/types.hpp>
#include <sparse_experts/linear/elastic_net.hpp>
#include <sparse_experts/linear/l1_svm.hpp>
#include <sparse_experts/solvers/margin_columns.hpp>

#include <vector>

/// The slow parts of ElasticNet, Lasso and L1SVM of float and double, to be compiled once a program and not
/// once a file: see model/extern_templates.hpp, whose one instantiating file has these too.
#define SPARSE_EXPERTS_REGRESSION_TEMPLATES(PREFIX, SCALAR, COLUMNS)                                 \
  PREFIX template void ElasticNet<SCALAR>::fit_design(const COLUMNS<SCALAR>&, const Matrix<double>&, \
                                                      const Vector<double>&);
#define SPARSE_EXPERTS_LINEAR_TEMPLATES_OF(PREFIX, SCALAR)                                                 \
  SPARSE_EXPERTS_REGRESSION_TEMPLATES(PREFIX, SCALAR, DenseColumns)                                        \
  SPARSE_EXPERTS_REGRESSION_TEMPLATES(PREFIX, SCALAR, SparseColumns)                                       \
  PREFIX template void L1SVM<SCALAR>::fit_columns(const detail::MarginColumns&, Index, const LabelVector&, \
                                                  const std::vector<int>&, const Vector<double>&);
#define SPARSE_EXPERTS_LINEAR_TEMPLATES(PREFIX)     \
  SPARSE_EXPERTS_LINEAR_TEMPLATES_OF(PREFIX, float) \
  SPARSE_EXPERTS_LINEAR_TEMPLATES_OF(PREFIX, double)

namespace sparse_experts {
SPARSE_EXPERTS_LINEAR_TEMPLATES(extern)
}  // namespace sparse_experts
