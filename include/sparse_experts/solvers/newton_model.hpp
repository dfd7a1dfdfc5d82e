// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <vector>

namespace sparse_experts::detail {

/// The model of a proximal Newton step over a working set of m columns, b eliminated:
///   min_x slope'(x - start) + (x - start)' H (x - start) / 2 + |x|_1,  H = A' diag(curvature) A
/// where the columns of A are those of the working set, centred with weights `curvature` when b is free.
struct NewtonModel {
  std::vector<Index> columns;  // m, of X
  Vector<double> slope;        // m
  Vector<double> start;        // m
  Vector<double> curvature;    // n, >= 0
  double unit = 1;             // the largest curvature that a row can have
  bool free_intercept = false;
  double tol = 0;  // on the largest violation of the model's optimality conditions
};

}  // namespace sparse_experts::detail
